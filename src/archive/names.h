// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a path inside an archive names. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"

namespace aptward::archive {

/// The folder of a suite inside its archive: "dists/bookworm/", "sub/dir/", "" for a flat root.
std::string suite_folder(std::string_view suite);

/// "main/binary-amd64/by-hash/SHA256/HEX" of "main/binary-amd64/Packages.xz".
std::string by_hash_path(std::string_view path, const Digest& digest);

struct Name {
    enum class Kind {
        release_file,  ///< InRelease, Release, Release.gpg of a suite
        by_hash,       ///< SUITE/dir/by-hash/ALGORITHM/HEX
        index,         ///< anything else below a suite's folder
        pool,          ///< everything else
    };
    Kind kind = Kind::pool;
    std::string suite;      ///< Not for pool.
    std::string rest;       ///< Path below the suite's folder; the whole path for pool.
    std::string directory;  ///< by_hash: directory of the index, below the suite's folder
    std::string hex;        ///< by_hash
};

/// Reads a normalised path without leading slash. `suites` are the suites known so far: they decide
/// where a suite's path ends, and which directories are flat repositories.
Name read_name(std::string_view path, const std::vector<std::string_view>& suites);

/// The host and path of a proxy request or a mapped prefix, found among many.
struct Prefix {
    /// "archive.example" or "archive.example:8080"; port 80 is left out. One '*' may stand for any
    /// text in it.
    std::string host;
    std::string path;  ///< "/debian", without trailing slash; "" for the whole host
    std::size_t archive = 0;
};

/// Whether `host` fits `pattern`, in which one '*' stands for any text that is not empty.
bool fits_host(std::string_view pattern, std::string_view host);

struct PrefixMatch {
    std::size_t archive = 0;
    std::size_t path_bytes = 0;  ///< How much of the request's path the prefix took.
};

/// The longest prefix that fits ("/debian-security" is not below "/debian"); of equally long ones
/// that which names the host, else the first.
std::optional<PrefixMatch> find_prefix(const std::vector<Prefix>& prefixes, std::string_view host,
                                       std::string_view path);

/// Reads "archive.example/debian" or a URL into host and path.
Prefix read_prefix(std::string_view text, std::size_t archive);

}  // namespace aptward::archive
