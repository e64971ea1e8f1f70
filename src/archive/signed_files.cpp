// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/signed_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace aptward::archive {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMostEntries = 64;  // a client cannot make the node remember more
constexpr std::uint64_t kLargestFile = 64ULL << 20;
constexpr std::uint64_t kLargestSignature = 64 * 1024;
constexpr milliseconds kSignatureLimit{4000};
constexpr milliseconds kFileLimit{60'000};
constexpr milliseconds kJoinLimit{70'000};
constexpr milliseconds kRevalidate{1000};   // as for releases: a hit does not wait for the network
constexpr milliseconds kAbsentAgain{5000};  // an absent signature is not asked for again so soon

std::string fact_of(const std::string& archive, const std::string& path)
{
    return "signed-at " + archive + " " + path;
}

void tell(Services& services, const std::string& archive, const fetch::SourcePtr& source,
          const std::string& code, std::string message)
{
    catalog::Event event;
    event.code = code;
    event.archive = archive;
    event.source = source->url();
    event.message = std::move(message);
    services.events.add(std::move(event));
}

}  // namespace

http::Async<void> SignedFiles::get(std::string path, trust::Policy policy,
                                   std::shared_ptr<SignedOutcome> outcome,
                                   std::shared_ptr<void> owner)
{
    if (entries_.count(path) == 0 && entries_.size() >= kMostEntries) {
        const auto oldest = std::min_element(
            entries_.begin(), entries_.end(),
            [](const auto& a, const auto& b) { return a.second->checked < b.second->checked; });
        entries_.erase(oldest);
    }
    auto& slot = entries_[path];
    if (!slot)
        slot = std::make_shared<Entry>();
    const std::shared_ptr<Entry> entry = slot;
    const auto limit = entry->last.is_absent
                           ? std::min<milliseconds>(kAbsentAgain, settings_.freshness)
                           : milliseconds(settings_.freshness);
    const bool is_fresh = entry->checked != SteadyTime{} && steady_now() - entry->checked < limit;
    if (!is_fresh && !std::exchange(entry->is_asking, true))
        http::spawn(services_.control, "looking up " + path,
                    look_up(path, std::move(policy), entry, std::move(owner)));
    if (entry->is_asking) {
        auto signal = co_await http::make_signal();
        entry->waiting.push_back(signal);
        const bool is_known = entry->file != nullptr || entry->last.is_absent;
        const milliseconds patience = is_known ? kRevalidate : kJoinLimit;
        co_await signal->wait_until(steady_now() + patience);
    }
    *outcome = entry->last;
    outcome->file = entry->file;
}

http::Async<void> SignedFiles::look_up(std::string path, trust::Policy policy,
                                       std::shared_ptr<Entry> entry, std::shared_ptr<void> owner)
{
    const auto keep = std::move(owner);
    co_await ask(std::move(path), std::move(policy), entry);
    entry->is_asking = false;
    for (const auto& signal : std::exchange(entry->waiting, {}))
        signal->notify();
}

// Static: the slowest source may answer when the archive is gone.
http::Async<void> SignedFiles::ask_signature(fetch::Fetcher& fetcher, std::string archive,
                                             fetch::SourcePtr source, std::string path,
                                             std::shared_ptr<Gathering> gathering)
{
    fetch::DocumentRequest request;
    request.source = source;
    request.archive = archive;
    request.path = http::encode_path(path + ".gpg");
    request.limit_bytes = kLargestSignature;
    request.time_limit = kSignatureLimit;
    request.is_optional = true;
    auto document = co_await fetcher.document(request);
    if (document)
        gathering->shown.push_back({source, std::move(document->body)});
    else if (document.error().code() == Errc::not_found)
        ++gathering->missing;
    else
        gathering->last_error = document.error().message();
    --gathering->pending;
    gathering->signal->notify();
}

// A restart does not let yesterday's file back in.
http::Async<void> SignedFiles::recall(std::string path, std::shared_ptr<Entry> entry)
{
    if (entry->is_recalled)
        co_return;
    auto job = [&state = services_.state,
                key = fact_of(settings_.id, path)]() -> Result<std::string> {
        return state.fact(key).value_or("");
    };
    const auto known = co_await http::on_worker(services_.state_thread, std::move(job));
    if (const auto seconds = parse_number<std::int64_t>(known.value_or("")))
        entry->newest = std::max(entry->newest, from_unix(*seconds));
    entry->is_recalled = true;
}

http::Async<void> SignedFiles::accept(std::string path, std::shared_ptr<Entry> entry,
                                      std::shared_ptr<const SignedFile> file)
{
    entry->newest = file->signed_at;
    auto job = [&state = services_.state, key = fact_of(settings_.id, path),
                seconds = to_unix(entry->newest)] {
        return state.put_fact(key, std::to_string(seconds));
    };
    const auto noted = co_await http::on_worker(services_.state_thread, std::move(job));
    if (!noted)
        tell(services_, settings_.id, file->source, "store.failed", noted.error().message());
    entry->file = std::move(file);
    entry->checked = steady_now();
    entry->last = {};
}

http::Async<void> SignedFiles::ask(std::string path, trust::Policy policy,
                                   std::shared_ptr<Entry> entry)
{
    auto gathering = std::make_shared<Gathering>();
    gathering->signal = co_await http::make_signal();
    const std::vector<fetch::SourcePtr> sources = archive_.asked();
    gathering->pending = sources.size();
    co_await recall(path, entry);
    for (const fetch::SourcePtr& source : sources)
        http::spawn(services_.control, "signature of " + path,
                    ask_signature(services_.fetcher, settings_.id, source, path, gathering));
    const SteadyTime deadline = steady_now() + kSignatureLimit + milliseconds(500);
    for (;;) {
        while (gathering->shown.empty() && gathering->pending > 0 && steady_now() < deadline) {
            co_await gathering->signal->wait_until(deadline);
        }
        if (gathering->shown.empty())
            break;
        Shown shown = std::move(gathering->shown.front());
        gathering->shown.pop_front();
        if (entry->file && entry->file->signature == shown.signature) {
            entry->checked = steady_now();  // the same signature vouches for the same bytes
            entry->last = {};
            co_return;
        }
        const fetch::SourcePtr source = shown.source;
        auto file = co_await try_source(path, std::move(shown), policy);
        if (!file) {
            gathering->last_error = file.error().message();
            continue;
        }
        if ((*file)->signed_at < entry->newest) {
            gathering->last_error = source->url() + ": its signature is older than one seen before";
            tell(services_, settings_.id, source, "file.rollback",
                 path + ": its signature is older than one seen before");
            services_.fetcher.charge(source, fetch::Fault::stale, path);
            continue;
        }
        std::shared_ptr<const SignedFile> accepted = std::move(*file);
        co_await accept(path, entry, std::move(accepted));
        co_return;
    }
    const bool is_absent_now = gathering->missing > 0 && gathering->missing == sources.size();
    if (is_absent_now)
        entry->checked = steady_now();
    else if (entry->last.is_absent)
        co_return;  // what was proven absent stays so while no source can say anything else
    entry->last.is_absent = is_absent_now;
    entry->last.code = entry->last.is_absent ? "auxiliary.unsigned" : "auxiliary.unavailable";
    entry->last.message =
        entry->last.is_absent
            ? fmt::format("no source of {} has {}.gpg, and without it nothing proves the file",
                          settings_.id, path)
            : fmt::format("no source of {} gave {} with a good signature: {}", settings_.id, path,
                          gathering->last_error);
}

http::Task<std::shared_ptr<const SignedFile>> SignedFiles::try_source(std::string path, Shown shown,
                                                                      trust::Policy policy)
{
    fetch::DocumentRequest request;
    request.source = shown.source;
    request.archive = settings_.id;
    request.path = http::encode_path(path);
    request.limit_bytes = kLargestFile;
    request.time_limit = kFileLimit;
    CO_TRY(auto document, co_await services_.fetcher.document(request));
    const bool is_private = settings_.is_private || !shown.source->settings().user.empty();
    auto job = [&engine = services_.engine, &blobs = services_.blobs,
                &marks = services_.private_marks, owner = is_private ? settings_.id : "",
                body = std::move(document.body), signature = shown.signature,
                keyring = settings_.keyring,
                policy]() mutable -> Result<std::pair<trust::FileJudgement, Digest>> {
        TRY(const auto text, crypto::join_file(std::move(body), signature));
        TRY(const auto signatures, engine.verify(text, keyring));
        auto judgement = trust::judge_file(signatures, keyring, policy, system_now());
        Digest digest;
        if (judgement.is_accepted()) {
            TRY_VOID(marks.settle(blobs, {crypto::digest_of(text.text)}, owner));
            TRY(digest, blobs.put(text.text));
        }
        return std::pair(std::move(judgement), digest);
    };
    auto judged = co_await http::on_worker(services_.workers, std::move(job));
    if (!judged && judged.error().code() != Errc::malformed)
        co_return tl::unexpected<Error>(judged.error());
    if (!judged || !judged->first.is_accepted()) {
        const trust::Verdict verdict =
            judged ? judged->first.verdict
                   : trust::Verdict{"file.malformed", judged.error().message()};
        tell(services_, settings_.id, shown.source, verdict.code, path + ": " + verdict.message);
        services_.fetcher.charge(shown.source, fetch::Fault::untrusted,
                                 path + ": " + verdict.message);
        co_return fail(Errc::untrusted, fmt::format("{}: {}: {}", shown.source->url(), verdict.code,
                                                    verdict.message));
    }
    SignedFile file;
    file.digest = judged->second;
    file.signature = std::move(shown.signature);
    file.signed_at = judged->first.signed_at;
    file.source = shown.source;
    co_return std::make_shared<const SignedFile>(std::move(file));
}

}  // namespace aptward::archive
