// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Files of an archive that no index names: what proves them, and which pass without proof.
// Pure. Facts: installer images are listed by a SHA256SUMS that the release lists (Debian) or that
// carries a signature of its own (Ubuntu); a dist-upgrader carries NAME.gpg; meta-release files,
// changelogs and project/ carry nothing.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace aptward::archive {

/// Path patterns inside an archive whose files pass unproven unless configured otherwise.
const std::vector<std::string>& standard_auxiliary();

/// Whether `path` fits: '*' stands for anything but '/', a final '/' for everything below.
/// `path` is normalised, without leading slash.
bool fits_pattern(std::string_view path, std::string_view pattern);

/// A pattern as the configuration may have it. Fails with malformed, saying why.
Result<void> check_pattern(std::string_view pattern);

/// How a path can be proven.
struct AuxiliaryName {
    /// The file whose detached signature vouches for it: "dists/x/main/dist-upgrader-all/y.tar.gz"
    /// for itself and for its ".gpg". Empty: none.
    std::string signed_file;
    bool is_signature = false;  ///< The path is the signature itself.
    /// SHA256SUMS files that may list it, nearest first. Empty: none.
    std::vector<std::string> sums;
    bool may_pass_unproven = false;  ///< It fits a pattern, and nothing is expected to prove it.

    bool is_auxiliary() const { return may_pass_unproven || !signed_file.empty() || !sums.empty(); }
};
AuxiliaryName read_auxiliary(std::string_view path, const std::vector<std::string>& patterns);

/// The hash that a SHA256SUMS gives for `name` (relative to its folder), without a size.
/// Fails with not_found, malformed (two hashes for one name).
Result<Digest> find_sum(std::string_view sums, std::string_view name);

}  // namespace aptward::archive
