// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "trust/trust.h"

namespace aptward::trust {
namespace {

using crypto::Signature;
using Status = Signature::Status;

constexpr int kRsa = 1, kEcdsa = 19, kEddsa = 22, kEd25519 = 27, kEd448 = 28;
constexpr int kSha256 = 8, kSha384 = 9, kSha512 = 10;
constexpr const char* kUnapproved = "unapproved-key";

// V14: SHA-1, MD5 and RIPEMD-160 give no trust; SHA-224 is refused as apt's newest policy does.
bool is_strong_hash(int algorithm)
{
    return algorithm == kSha256 || algorithm == kSha384 || algorithm == kSha512;
}

// V15: RSA of 2048 bits or more, ECDSA, EdDSA; no DSA.
bool is_strong_key(const Signature& signature, const crypto::Keyring& keyring)
{
    const crypto::PublicKey* key = keyring.find(signature.fingerprint);
    if (key == nullptr)
        return false;
    switch (key->algorithm) {
        case kRsa:
            return key->bits >= 2048;
        case kEcdsa:
        case kEddsa:
        case kEd25519:
        case kEd448:
            return key->bits >= 256;  // 0 for curves that V15 does not name
        default:
            return false;
    }
}

// V16: "FPR!" is exactly that key, "FPR" a primary key with its subkeys.
bool is_pinned(const Signature& signature, const std::vector<std::string>& pins)
{
    return pins.empty() || std::any_of(pins.begin(), pins.end(), [&](const std::string& pin) {
               if (!pin.empty() && pin.back() == '!')
                   return equals_ignoring_case(pin.substr(0, pin.size() - 1),
                                               signature.fingerprint);
               return equals_ignoring_case(pin, signature.primary);
           });
}

std::vector<std::string> split_signed_by(std::string_view field)
{
    std::vector<std::string> pins;
    std::string text(field);
    std::replace(text.begin(), text.end(), ',', ' ');
    for (const std::string_view word : words(text))
        pins.emplace_back(word);
    return pins;
}

std::string when(SystemTime time)
{
    return deb::format_release_date(time);
}

}  // namespace

/// The steps of judge(), sharing what they found.
struct Judge {
    const std::vector<Signature>& signatures;
    const crypto::Keyring& keyring;
    const Policy& policy;
    const Floor& floor;
    const std::string& suite_path;
    SystemTime now;
    Freshness freshness;
    Judgement result;
    bool wants_binary = false;  // a file of any bytes, no text

    static VerifiedRelease make(crypto::SignedText text, deb::Release release, std::string id,
                                std::vector<std::string> signers)
    {
        VerifiedRelease made;
        made.text_ = std::move(text);
        made.release_ = std::move(release);
        made.id_ = std::move(id);
        made.signers_ = std::move(signers);
        return made;
    }

    bool refuse(std::string code, std::string message)
    {
        result.verdict = {"release." + std::move(code), std::move(message)};
        return false;
    }

    bool check_signatures()
    {
        if (signatures.empty())
            return refuse("unsigned", "it carries no signature");
        std::set<std::string> signers, unapproved;
        std::set<std::string> reasons;
        for (const Signature& signature : signatures) {
            // V13: one wrong signature of a known key spoils the file.
            if (signature.status == Status::bad)
                return refuse("bad-signature", "the signature of " + signature.fingerprint +
                                                   " does not fit the text: it was changed");
            std::string reason = weakness_of(signature);
            if (reason.empty())
                signers.insert(signature.primary);
            else if (reason == kUnapproved)
                unapproved.insert(signature.primary);
            if (!reason.empty())
                reasons.insert(std::move(reason));
        }
        result.signers.assign(signers.begin(), signers.end());
        result.unapproved.assign(unapproved.begin(), unapproved.end());
        if (signers.empty())
            return refuse_for(reasons);
        if (signers.size() < policy.threshold)
            return refuse("threshold", fmt::format("{} of the {} required keys signed it",
                                                   signers.size(), policy.threshold));
        return true;
    }

    // Empty for a signature that counts; else the code of why it does not.
    std::string weakness_of(const Signature& signature) const
    {
        switch (signature.status) {
            case Status::good:
                break;
            case Status::expired:
                return "expired-signature";
            case Status::revoked:
                return "revoked-key";
            case Status::unknown_key:
                return "unknown-key";
            case Status::bad:
            case Status::error:
                return "bad-signature";
        }
        if (!is_strong_hash(signature.hash_algorithm) || !is_strong_key(signature, keyring))
            return "weak";
        if (wants_binary && !signature.is_binary)
            return "text-signature";
        if (signature.created > now + policy.max_future && freshness == Freshness::live)
            return "not-yet-valid";  // V21
        // What a release says of those after it says nothing of those before.
        const bool has_own_pins = !policy.signed_by.empty() || freshness == Freshness::past;
        const auto& pins = has_own_pins ? policy.signed_by : floor.next_signed_by;
        if (!is_pinned(signature, pins))
            return "unknown-key";
        const bool is_approved =
            policy.approved.empty() || policy.approved.count(signature.primary) > 0;
        return is_approved ? "" : kUnapproved;
    }

    bool refuse_for(const std::set<std::string>& reasons)
    {
        static const std::pair<const char*, const char*> kSentences[] = {
            {"bad-signature", "its signature is broken"},
            {"revoked-key", "it is signed by a revoked key"},
            {"expired-signature", "its signature or the key of it is expired"},
            {"weak", "its signature uses a hash or key that is too weak"},
            {"text-signature",
             "its signature is one of text, which does not cover every byte of a file"},
            {"not-yet-valid", "its signature is dated in the future"},
            {kUnapproved,
             "it is signed only by a key that is new in the keyring: if the vendor announced "
             "that key, approve it (aptward keys)"},
            {"unknown-key", "it is not signed by any of the configured keys"}};
        for (const auto& [code, sentence] : kSentences)
            if (reasons.count(code) > 0)
                return refuse(code, sentence);
        return refuse("unsigned", "it carries no signature that counts");
    }

    bool check_identity(const deb::Release& release)
    {
        if (!deb::fits_suite_path(release, suite_path, policy.suite_aliases))
            return refuse(
                "wrong-suite",
                fmt::format("it says Suite \"{}\", Codename \"{}\", but was served as {}",
                            printable(release.suite), printable(release.codename), suite_path));
        return true;
    }

    bool check_dates(const deb::Release& release)
    {
        const SystemTime date = *release.date;
        if (freshness == Freshness::past && date > now)
            return refuse("later", "it is dated " + when(date) + ", after the moment " + when(now));
        if (date > now + policy.max_future)
            return refuse("not-yet-valid",
                          "it is dated in the future: " + when(date) + " (or this clock is slow)");
        const bool is_approved =
            freshness == Freshness::past || floor.approved.count(result.id) > 0;
        if (floor.date && now + policy.max_future < *floor.date && !is_approved)
            return refuse("clock-behind",
                          "this clock is behind the newest accepted release of " +
                              when(*floor.date) +
                              ": set it right first; if that one was wrong, approve this one");
        std::optional<SystemTime> until = release.valid_until;
        if (policy.max_valid_time)
            until = until ? std::min(*until, date + *policy.max_valid_time)
                          : date + *policy.max_valid_time;
        if (until && *until < now)
            return refuse(
                "expired",
                "it was valid until " + when(*until) +
                    (freshness == Freshness::past ? ", before the moment " + when(now) : ""));
        return true;
    }

    bool check_floor(const deb::Release& release)
    {
        if (!floor.date || floor.approved.count(result.id) > 0)
            return true;
        if (freshness == Freshness::past)
            return check_archive(release);
        if (*release.date < *floor.date)
            return refuse("rollback", fmt::format("it is dated {}, accepted was already {}",
                                                  when(*release.date), when(*floor.date)));
        if (*release.date == *floor.date && result.id != floor.release_id)
            return refuse(
                "equivocation",
                "another release with the same date was accepted before: the vendor's key "
                "signed two different texts for one moment");
        return check_unchanged(release);
    }

    static std::string changed(const char* field, const std::string& from, const std::string& to)
    {
        return fmt::format(
            "its {} changed from \"{}\" to \"{}\": approve it if the vendor "
            "announced that",
            field, printable(from), printable(to));
    }

    // What "stable" was called is another thing at another time; whose it is stays.
    bool check_archive(const deb::Release& release)
    {
        if (release.origin != floor.origin)
            return refuse("identity-changed", changed("Origin", floor.origin, release.origin));
        if (release.label != floor.label)
            return refuse("identity-changed", changed("Label", floor.label, release.label));
        return true;
    }

    bool check_unchanged(const deb::Release& release)
    {
        if (!check_archive(release))
            return false;
        if (release.codename != floor.codename)
            return refuse("identity-changed",
                          changed("Codename", floor.codename, release.codename));
        if (release.not_automatic != floor.not_automatic ||
            release.but_automatic_upgrades != floor.but_automatic_upgrades)
            return refuse("identity-changed", "its NotAutomatic or ButAutomaticUpgrades changed");
        return true;
    }
};

// Finding 9: trailing blanks, line ends and the last newline are not covered by a clear-text
// signature, so InRelease and Release of one release must meet at one id.
std::string release_id(std::string_view text)
{
    std::string canonical;
    canonical.reserve(text.size());
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r'))
            line.remove_suffix(1);
        canonical.append(line) += '\n';
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return crypto::digest_of(canonical).hex();
}

Judgement judge(crypto::SignedText text, const std::vector<Signature>& signatures,
                const crypto::Keyring& keyring, const Policy& policy, const Floor& floor,
                const std::string& suite_path, SystemTime now, Freshness freshness)
{
    Judge steps{signatures, keyring, policy, floor, suite_path, now, freshness, {}};
    steps.result.id = release_id(text.text);
    if (!steps.check_signatures())
        return std::move(steps.result);
    auto release = deb::parse_release(text.text);
    if (!release) {
        steps.refuse("malformed", release.error().message());
        return std::move(steps.result);
    }
    steps.result.date = release->date;
    const bool is_fine = steps.check_identity(*release) &&
                         (freshness == Freshness::stored ||
                          (steps.check_dates(*release) && steps.check_floor(*release)));
    if (!is_fine)
        return std::move(steps.result);
    const bool is_known = steps.result.id == floor.release_id;
    steps.result.verdict = {
        is_known ? "release.unchanged" : "release.accepted",
        "signed by " + fmt::format("{}", fmt::join(steps.result.signers, ", "))};
    steps.result.release =
        Judge::make(std::move(text), std::move(*release), steps.result.id, steps.result.signers);
    return std::move(steps.result);
}

FileJudgement judge_file(const std::vector<Signature>& signatures, const crypto::Keyring& keyring,
                         const Policy& policy, SystemTime now)
{
    const Floor no_floor;
    const std::string no_suite;
    Judge steps{signatures, keyring, policy, no_floor, no_suite, now, Freshness::live, {}};
    steps.wants_binary = true;
    FileJudgement judgement;
    if (!steps.check_signatures()) {
        judgement.verdict = steps.result.verdict;
        judgement.verdict.code.replace(0, std::string_view("release").size(), "file");
        return judgement;
    }
    judgement.signers = steps.result.signers;
    judgement.verdict = {"file.accepted",
                         fmt::format("signed by {}", fmt::join(judgement.signers, ", "))};
    for (const Signature& signature : signatures)
        if (steps.weakness_of(signature).empty())  // else anybody in the keyring could set it
            judgement.signed_at = std::max(judgement.signed_at, signature.created);
    return judgement;
}

Result<VerifiedRelease> recall(crypto::SignedText text, const std::set<std::string>& journalled,
                               std::vector<std::string> signers)
{
    std::string id = release_id(text.text);
    if (journalled.count(id) == 0)
        return fail(Errc::untrusted, "the stored release " + id + " is not what was accepted");
    TRY(auto release, deb::parse_release(text.text));
    return Judge::make(std::move(text), std::move(release), std::move(id), std::move(signers));
}

Floor raise(Floor floor, const VerifiedRelease& release)
{
    const deb::Release& text = release.release();
    floor.date = text.date;
    floor.release_id = release.id();
    floor.origin = text.origin;
    floor.label = text.label;
    floor.codename = text.codename;
    floor.not_automatic = text.not_automatic;
    floor.but_automatic_upgrades = text.but_automatic_upgrades;
    floor.signers = release.signers();
    floor.next_signed_by = split_signed_by(text.signed_by);
    return floor;
}

Judgement take_unverified(crypto::SignedText text)
{
    Judgement result;
    result.id = release_id(text.text);
    auto release = deb::parse_release(text.text);
    if (!release) {
        result.verdict = {"release.malformed", release.error().message()};
        return result;
    }
    result.date = release->date;
    result.verdict = {"release.unverified", "this archive is configured unverified"};
    result.release = Judge::make(std::move(text), std::move(*release), result.id, {});
    return result;
}

}  // namespace aptward::trust
