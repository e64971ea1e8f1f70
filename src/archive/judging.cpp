// SPDX-License-Identifier: GPL-3.0-or-later
// What a suite thinks of a release that it was shown: the verdict, the evidence, and who is
// charged.
#include <fmt/format.h>

#include "archive/suite.h"

namespace aptward::archive {
namespace {

constexpr std::size_t kMostVerified = 64;
constexpr std::string_view kSignedMessage = "-----BEGIN PGP SIGNED MESSAGE-----";

fetch::Fault fault_of(const std::string& code)
{
    if (code == "release.portal")
        return fetch::Fault::portal;
    if (code == "release.rollback" || code == "release.expired" || code == "release.later")
        return fetch::Fault::stale;
    return fetch::Fault::untrusted;
}

}  // namespace

Result<crypto::SignedText> split_release(const catalog::ReleaseFiles& files)
{
    if (!files.inrelease.empty())
        return crypto::split_clearsigned(files.inrelease);
    return crypto::join_detached(files.release, files.release_gpg);
}

http::Async<trust::Judgement> Suite::judge(std::string origin, catalog::ReleaseFiles files)
{
    const ArchiveSettings& settings = archive_.settings_;
    trust::Judgement judgement;
    if (settings.verify != Verify::unverified) {
        judgement = co_await judge_under(files, settings.keyring, archive_.policy(settings),
                                         trust::Freshness::live, system_now());
        if (judgement.is_accepted() || settings.verify == Verify::enforce)
            co_return judgement;
        observed_ = judgement.verdict.code;
        const std::string evidence = keep_evidence(origin, files, judgement);
        event("observed." + judgement.verdict.code, origin, judgement.verdict.message, evidence);
    }
    auto text = split_release(files);
    if (!text && !files.release.empty())
        text = crypto::SignedText{files.release, ""};
    if (text)
        co_return trust::take_unverified(std::move(*text));
    judgement.verdict = {"release.malformed", text.error().message()};
    co_return judgement;
}

http::Async<trust::Judgement> Suite::judge_under(catalog::ReleaseFiles files,
                                                 crypto::Keyring keyring, trust::Policy policy,
                                                 trust::Freshness freshness, SystemTime now)
{
    trust::Judgement judgement;
    if (files.inrelease.empty() && files.release_gpg.empty()) {
        judgement.verdict = {"release.unsigned", "there is a Release without Release.gpg"};
        co_return judgement;
    }
    auto text = split_release(files);
    if (!text) {
        const bool is_other_thing =
            !files.inrelease.empty() &&
            files.inrelease.compare(0, kSignedMessage.size(), kSignedMessage) != 0;
        judgement.verdict = {is_other_thing ? "release.portal" : "release.malformed",
                             text.error().message()};
        co_return judgement;
    }
    // What the engine says depends on the clock (expiry), and clocks are set right.
    const auto hour =
        std::chrono::duration_cast<std::chrono::hours>(system_now().time_since_epoch());
    const std::string key = crypto::digest_of(text->text).hex() +
                            crypto::digest_of(text->signatures).hex() + keyring.sha256_hex +
                            std::to_string(hour.count());
    auto known = verified_.find(key);
    if (known == verified_.end()) {
        auto job = [&engine = services_.engine, text = *text, keyring] {
            return engine.verify(text, keyring);
        };
        auto signatures = co_await http::on_worker(services_.workers, std::move(job));
        if (!signatures) {
            judgement.verdict = {"release.engine", signatures.error().message()};
            co_return judgement;
        }
        if (verified_.size() >= kMostVerified)
            verified_.clear();
        known = verified_.insert_or_assign(key, std::move(*signatures)).first;
    }
    // The first good signer of a suite is taken, and pinned then. Only of suites that the machine
    // itself names: anybody can make one up, and sign it with a key that another archive trusts.
    const bool is_first = !floor_.date && (policy.approved.empty() || archive_.is_known(name_));
    if (archive_.settings_.pins_first_signer && is_first)
        policy.approved = archive_.first_signers(keyring);
    co_return trust::judge(std::move(*text), known->second, keyring, policy, floor_, name_, now,
                           freshness);
}

void Suite::refuse(const Observation& observation)
{
    if (!observation.is_from_peer)  // its word says nothing of what the sources show
        verdict_ = observation.judgement.verdict;
    tell_refused(observation);
}

void Suite::tell_refused(const Observation& observation)
{
    const trust::Judgement& judgement = observation.judgement;
    const std::string evidence = keep_evidence(observation.origin, observation.files, judgement);
    event(judgement.verdict.code, observation.origin, judgement.verdict.message, evidence);
    if (observation.source != nullptr && judgement.verdict.code != "release.engine")
        services_.fetcher.charge(observation.source, fault_of(judgement.verdict.code),
                                 name_ + ": " + judgement.verdict.message);
}

// What a drill has changed is no evidence against anybody, and says nothing of the suite.
void Suite::refuse_spoiled(const Observation& observation)
{
    const trust::Verdict& verdict = observation.judgement.verdict;
    event(verdict.code, observation.origin, verdict.message + " (a drill changed it)");
    services_.fetcher.charge(observation.source, fault_of(verdict.code),
                             name_ + ": " + verdict.message);
}

// V42: posted before the event that names it, to the same thread: whoever reads the event finds it.
std::string Suite::keep_evidence(const std::string& source, const catalog::ReleaseFiles& files,
                                 const trust::Judgement& judgement)
{
    if (judgement.verdict.code == "release.engine")
        return judgement.id;  // nothing is wrong with the release
    catalog::Refused::Entry entry;
    entry.id =
        !judgement.id.empty()
            ? judgement.id
            : crypto::digest_of(files.inrelease.empty() ? files.release : files.inrelease).hex();
    entry.archive = archive_.settings_.id;
    entry.suite = name_;
    entry.source = source;
    entry.code = judgement.verdict.code;
    entry.message = judgement.verdict.message;
    entry.time = system_now();
    entry.files = files;
    std::string id = entry.id;
    services_.state_thread.post(
        [&refused = services_.refused, &events = services_.events, entry = std::move(entry)] {
            const auto kept = refused.put(entry);
            if (!kept)
                events.add({0,
                            {},
                            "store.failed",
                            entry.archive,
                            entry.suite,
                            "",
                            kept.error().message(),
                            "",
                            entry.id});
        });
    return id;
}

// Only dates under a signature that holds count (a judgement has none else), and none that lies in
// the future: anybody could raise the alarm otherwise.
void Suite::note_seen(const trust::Judgement& judgement)
{
    if (judgement.date && *judgement.date <= system_now() &&
        (!newest_seen_ || *newest_seen_ < *judgement.date))
        newest_seen_ = judgement.date;
}

http::Async<std::string> Suite::rejudge(crypto::Keyring keyring, trust::Policy policy,
                                        bool must_be_proven)
{
    if (!view_.current || (view_.current->verified().signers().empty() && !must_be_proven))
        co_return std::string();
    const auto judgement =
        co_await judge_under(view_.current->files(), std::move(keyring), std::move(policy),
                             trust::Freshness::stored, system_now());
    co_return judgement.is_accepted()
        ? std::string()
        : fmt::format("{}: {}: {}", name_, judgement.verdict.code, judgement.verdict.message);
}

}  // namespace aptward::archive
