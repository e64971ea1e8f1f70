// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What `aptward verify` has to know of a file before it asks for proof. Private to cli/.

#include <string>
#include <vector>

#include "base/digest.h"
#include "crypto/crypto.h"
#include "node/config.h"
#include "trust/trust.h"

#include <nlohmann/json_fwd.hpp>

namespace aptward::cli {

struct VerifiedFile {
    std::vector<Digest> digests;     ///< SHA-256, then SHA-512.
    std::vector<std::string> names;  ///< Its own and, of a .deb, the one that its control gives.
    std::string what;                ///< "foo 1.0" for a .deb, else its name.
    std::string package, version;    ///< Of a .deb.
    std::string trouble;             ///< Why a .deb does not tell its name.
    bool is_release = false;
    crypto::SignedText release;  ///< Empty when it could not be split: `trouble` says why.
    std::string release_id;
};

/// Reads a file, a Release with the Release.gpg beside it. Fails with not_found, storage.
Result<VerifiedFile> read_for_verification(const std::filesystem::path& path);

/// What the keyrings say about a release now.
struct SignatureOutcome {
    bool is_good = false;
    std::string archive;  ///< Whose keyrings said it.
    trust::Verdict verdict;
    std::vector<std::string> signers;
};

/// Verifies releases afresh through gpgv, under the keys of the configured archives.
class SignatureCheck {
public:
    SignatureCheck(const node::Config& config, std::string archive, crypto::OpenPgpEngine& engine)
        : config_(config), archive_(std::move(archive)), engine_(engine)
    {
    }

    /// Whether the archive that was named is configured.
    bool has_archive() const;

    /// `place`: where the node knows this release from, or null. Blocks for gpgv.
    SignatureOutcome run(const VerifiedFile& file, const nlohmann::json& place);

private:
    SignatureOutcome run_under(const archive::ArchiveSettings& settings, const VerifiedFile& file,
                               const std::string& suite);
    const node::Config& config_;
    const std::string archive_;
    crypto::OpenPgpEngine& engine_;
};

}  // namespace aptward::cli
