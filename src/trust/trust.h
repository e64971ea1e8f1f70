// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The policy: from a signed text and what the engine says about it to a verdict.
//
// Pure: no clock, no disk, no network. Only judge() can make a VerifiedRelease, and everything that
// serves names takes one: unproven bytes have no way in. Rules: V12 to V30.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "crypto/crypto.h"
#include "deb/deb.h"

namespace aptward::trust {

/// What the operator decided for an archive.
struct Policy {
    /// Primary fingerprints (40 hex digits) that count, or "FPR!" for exactly that (sub)key.
    /// Empty: every key of the keyring.
    std::vector<std::string> signed_by;
    /// Primary fingerprints that an operator has approved, by configuring their keyring first or
    /// by `aptward keys approve`. A key that only turned up in a keyring file since counts for
    /// nothing. Empty: every key of the keyring is approved.
    std::set<std::string> approved;
    unsigned threshold = 1;  ///< Different primary keys that must have signed (V17).
    std::chrono::seconds max_future{10};
    std::optional<std::chrono::seconds> max_valid_time;  ///< As apt's Max-ValidTime.
    std::vector<std::string> suite_aliases;              ///< Further names of the suite (V29).
};

/// What is remembered of a suite: it never goes backwards. Persisted before it takes effect.
struct Floor {
    std::optional<SystemTime> date;  ///< Of the newest accepted release.
    std::string release_id;          ///< Of that release.
    std::string origin, label, codename;
    bool not_automatic = false, but_automatic_upgrades = false;
    std::vector<std::string> signers;         ///< Primary fingerprints of that release.
    std::vector<std::string> next_signed_by;  ///< Its Signed-By field (V18).
    std::set<std::string> approved;  ///< Release ids an operator accepted in spite of a refusal.
};

/// Why a release was accepted or not. The code is stable: logs, metrics and tests use it.
struct Verdict {
    std::string code;  ///< "release.accepted", "release.rollback", ...
    std::string message;
};

/// A release that the policy accepted. Only judge() makes one.
class VerifiedRelease {
public:
    const std::string& id() const { return id_; }  ///< SHA-256 of the canonical text, hex.
    const crypto::SignedText& signed_text() const { return text_; }
    const deb::Release& release() const { return release_; }
    const std::vector<std::string>& signers() const { return signers_; }

private:
    friend struct Judge;
    VerifiedRelease() = default;
    std::string id_;
    crypto::SignedText text_;
    deb::Release release_;
    std::vector<std::string> signers_;
};

struct Judgement {
    Verdict verdict;
    std::optional<VerifiedRelease> release;  ///< Present exactly for release.accepted/unchanged.
    bool is_accepted() const { return release.has_value(); }
    /// The primary fingerprints that signed well, also of a refused release.
    std::vector<std::string> signers;
    /// Primary fingerprints that signed well and strongly, but are not approved yet.
    std::vector<std::string> unapproved;
    std::string id;
    std::optional<SystemTime> date;
};

/// The id of a release: SHA-256 (hex) of its text with line ends and trailing blanks made uniform.
std::string release_id(std::string_view text);

/// How strictly the release's age is taken.
enum class Freshness {
    live,    ///< From a source: date, roll-back and expiry count.
    stored,  ///< Accepted before: only the signatures and the text are judged again (reload).
    past,    ///< Of a moment: that is `now`. Dated up to it, and not expired then; no roll-back.
};

/// Judges one release. `signatures` is what the engine said about `text` under `keyring`.
/// Codes of refusals, in the order they are found: release.bad-signature, release.unsigned,
/// release.unknown-key, release.unapproved-key, release.expired-signature, release.revoked-key,
/// release.weak, release.threshold, release.malformed, release.wrong-suite, release.not-yet-valid,
/// release.clock-behind, release.later (past), release.expired, release.rollback,
/// release.equivocation, release.identity-changed.
Judgement judge(crypto::SignedText text, const std::vector<crypto::Signature>& signatures,
                const crypto::Keyring& keyring, const Policy& policy, const Floor& floor,
                const std::string& suite_path, SystemTime now, Freshness freshness);

/// A release that was accepted before a restart: `journalled` are the ids that the journal vouches
/// for. It survives the expiry of its key, which is why no signature is looked at again.
/// Fails with untrusted when the stored text is not one of them, malformed when it does not parse.
Result<VerifiedRelease> recall(crypto::SignedText text, const std::set<std::string>& journalled,
                               std::vector<std::string> signers);

/// What the policy says about the detached signature of a file that is no release.
struct FileJudgement {
    Verdict verdict;                   ///< Codes as judge(), with "file." in front.
    std::vector<std::string> signers;  ///< Empty exactly when it is refused.
    SystemTime signed_at{};            ///< The newest signature.
    bool is_accepted() const { return !signers.empty(); }
};

/// Judges a file by the rules for signatures alone (V13 to V17, V21): it has no date of its own.
/// Only a signature over its bytes counts: file.text-signature is one over lines of text.
FileJudgement judge_file(const std::vector<crypto::Signature>& signatures,
                         const crypto::Keyring& keyring, const Policy& policy, SystemTime now);

/// The floor after accepting `release`.
Floor raise(Floor floor, const VerifiedRelease& release);

/// For archives configured `unverified`: nothing is believed about the text but its shape.
/// The result is marked by having no signers.
Judgement take_unverified(crypto::SignedText text);

}  // namespace aptward::trust
