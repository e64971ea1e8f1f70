// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What an operator can say about an archive. Filled by node/config from the file, or by
// node/zero_config from the machine's apt sources.

#include <chrono>
#include <string>
#include <vector>

#include "archive/auxiliary.h"
#include "crypto/crypto.h"
#include "fetch/source.h"

namespace aptward::archive {

enum class Verify {
    enforce,     ///< Only what the policy accepts is served.
    observe,     ///< Verdicts are recorded, nothing is refused.
    unverified,  ///< No keys are configured: every report says so.
};

/// A suite known from the start: fetched at once and kept fresh. `suite` is the path behind
/// dists/, or "dir/" ("/" for the root) for a flat repository.
struct KnownSuite {
    std::string suite;
    std::vector<std::string> components, architectures;
    bool has_sources = false;
};

/// Clients that get a generation later than others; which ones, Routes::rings says.
struct RingSettings {
    std::string name;
    std::chrono::seconds delay{};  ///< Behind ring 0.
    bool has_security_at_once = true;
};

/// A host that has the archive as it was at moments: the source's URL, the moment, then `below`.
struct SnapshotHostSettings {
    fetch::SourceSettings source;
    std::string below;  ///< "/debian" or empty
};

struct ArchiveSettings {
    std::string id;
    bool has_made_up_id = false;  ///< Nobody wrote it: it comes from the host in apt's sources.
    std::vector<std::string> keyrings;  ///< Paths, for messages and reload.
    crypto::Keyring keyring;            ///< Their content.
    std::vector<fetch::SourceSettings> upstreams;
    std::vector<SnapshotHostSettings> snapshot_hosts;
    std::vector<std::string> hosts;  ///< "archive.example/debian", "mirror.example:8080/x"
    std::vector<KnownSuite> known_suites;
    std::vector<std::string> only_suites;  ///< Empty: whatever clients ask for.
    std::chrono::seconds freshness{300};
    std::chrono::seconds security_freshness{60};
    /// How long a new release waits for an index that names no packages (apt can do without).
    std::chrono::seconds optional_wait{600};
    Verify verify = Verify::enforce;
    std::vector<std::string> signed_by;
    unsigned threshold = 1;
    std::vector<std::string> suite_aliases;
    /// Bytes go only to clients whose own credentials the first upstream accepted lately
    /// (archive-reality 14).
    bool is_private = false;
    std::chrono::seconds credentials_kept{3600};
    std::chrono::seconds credentials_kept_in_outage{7 * 86400};
    std::vector<std::string> auxiliary = standard_auxiliary();  ///< Patterns that pass unproven.
    std::vector<RingSettings> rings;                            ///< From ring 1 on.
    bool pins_first_signer = false;  ///< No Signed-By anywhere: the first good signer is pinned.
};

}  // namespace aptward::archive
