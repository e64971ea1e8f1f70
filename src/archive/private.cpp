// SPDX-License-Identifier: GPL-3.0-or-later
// Private archives (archive-reality 14): the upstream decides who may have them, the node remembers
// its word for a while. The rule for outages: whom it accepted within credentials-kept-in-outage.
#include <fmt/format.h>

#include <algorithm>

#include "archive/archive.h"
#include "archive/send.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

constexpr std::chrono::milliseconds kAskLimit{4000};
constexpr std::chrono::minutes kMetadataJudged{10};
constexpr std::chrono::seconds kLeastLent{60};  // for what the client asks for next

}  // namespace

http::Async<void> Archive::restore_admission()
{
    if (!settings_.is_private)
        co_return;
    const std::string salt_key = "admission.salt:" + settings_.id;
    const std::string list_key = "admission:" + settings_.id;
    struct Kept {
        std::string salt, list;
    };
    auto job = [this, salt_key, list_key] {
        Kept kept{services_.state.fact(salt_key).value_or(""),
                  services_.state.fact(list_key).value_or("")};
        if (kept.salt.empty()) {
            kept = {crypto::random_hex(32), ""};
            const auto put = services_.state.put_fact(salt_key, kept.salt);
            (void)put;  // without it, clients are asked for anew after a restart
        }
        return kept;
    };
    const Kept kept = co_await http::on_worker(services_.state_thread, std::move(job));
    admission_ = std::make_unique<Admission>(kept.salt);
    std::map<std::string, SystemTime> accepted;
    const auto fields = words(kept.list);
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2)
        if (const auto time = parse_number<std::int64_t>(fields[i + 1]))
            accepted[std::string(fields[i])] = from_unix(*time);
    admission_->restore(std::move(accepted));
}

void Archive::keep_admission()
{
    std::string list;
    for (const auto& [name, time] : admission_->all())
        list += fmt::format("{} {}\n", name, to_unix(time));
    services_.state_thread.post(
        [&state = services_.state, key = "admission:" + settings_.id, list = std::move(list)] {
            const auto put = state.put_fact(key, list);
            (void)put;  // only costs a question to the upstream after a restart
        });
}

fetch::CredentialsPtr Archive::lent() const
{
    const auto lent = lent_.load();
    return lent != nullptr && steady_now() < lent->until ? lent->credentials : nullptr;
}

bool Archive::may_ask_sources() const
{
    return !settings_.is_private || lent() != nullptr || !settings_.upstreams.front().user.empty();
}

// The suite whose release is asked for to learn whether the upstream accepts the credentials.
std::string Archive::suite_to_ask_for(const std::string& path) const
{
    std::vector<std::string_view> suites;
    const auto view = view_.load();
    for (const auto& [suite, state] : view->suites)
        suites.push_back(suite);
    for (const KnownSuite& known : settings_.known_suites)
        suites.push_back(known.suite);
    const Name name = read_name(path, suites);
    if (name.kind != Name::Kind::pool)
        return name.suite;
    return suites.empty() ? std::string() : std::string(suites.front());
}

http::Async<Result<void>> Archive::ask_upstream(fetch::CredentialsPtr credentials,
                                                std::vector<std::string> paths)
{
    fetch::DocumentRequest request;
    request.archive = settings_.id;
    request.source = asked().front();
    request.time_limit = kAskLimit;
    request.is_optional = true;
    request.is_probe = true;
    request.lent = credentials;
    Result<void> outcome;
    for (const std::string& path : paths) {
        request.path = http::encode_path(path);
        const auto document = co_await services_.fetcher.document(request);
        outcome = document ? Result<void>() : tl::unexpected<Error>(document.error());
        if (outcome || outcome.error().code() != Errc::not_found)
            break;
    }
    co_return outcome;
}

// Of some archives everybody may have the metadata, and only packages need an account (ESM): what
// an upstream gives to made-up credentials says nothing about a client's.
http::Async<bool> Archive::is_given_to_anybody(std::vector<std::string> paths)
{
    const auto nobody = std::make_shared<const fetch::Credentials>(
        fetch::Credentials{"nobody", crypto::random_hex(16)});
    const auto outcome = co_await ask_upstream(nobody, std::move(paths));
    co_return outcome.has_value();
}

// Whether the upstream lets this client have what it asks for.
http::Async<Result<Archive::Admitted>> Archive::ask_for_client(fetch::CredentialsPtr credentials,
                                                               std::string path, std::string suite)
{
    const std::string folder = suite_folder(suite);
    const std::vector<std::string> releases = {folder + "InRelease", folder + "Release"};
    const auto outcome = co_await ask_upstream(credentials, releases);
    if (!outcome)
        co_return tl::unexpected<Error>(outcome.error());
    if (steady_now() >= metadata_judged_until_.load()) {
        const bool is_public = co_await is_given_to_anybody(releases);
        has_public_metadata_ = is_public;
        metadata_judged_until_ = steady_now() + kMetadataJudged;
    }
    if (!has_public_metadata_)
        co_return Admitted::to_all;
    std::vector<std::string_view> suites = {suite};
    if (read_name(path, suites).kind != Name::Kind::pool)
        co_return Admitted::to_metadata;
    const std::vector<std::string> itself = {path};
    const auto package = co_await ask_upstream(credentials, itself);
    if (!package && package.error().code() == Errc::not_found)
        co_return fail(Errc::unavailable, "its upstream does not have this file");
    if (!package)
        co_return tl::unexpected<Error>(package.error());
    co_return Admitted::to_all;
}

http::Async<std::optional<Archive::NotAdmitted>> Archive::judge_client(
    const http::RequestHead& head, std::string path)
{
    const auto header = head.header("Authorization");
    const auto credentials = header ? parse_basic(*header) : std::nullopt;
    if (!credentials)
        co_return NotAdmitted(401, "private.credentials-wanted",
                              settings_.id +
                                  " is a private archive: give apt your own credentials for it in "
                                  "/etc/apt/auth.conf.d/");
    auto name = admission_->known_name(*credentials);
    if (!name) {
        auto job = [this, given = *credentials] { return admission_->make_name(given); };
        std::string made = co_await http::on_worker(services_.workers, std::move(job));
        name = std::move(made);
    }
    const auto accepted = admission_->accepted(*name);
    auto since = std::chrono::seconds::max();
    if (accepted)
        since = system_now() - *accepted;
    if (since < settings_.credentials_kept || (accepted && admission_->is_excused(*name))) {
        // A restart forgot them: they are written down nowhere.
        if (lent() == nullptr)
            lend(std::make_shared<const fetch::Credentials>(*credentials));
        co_return std::nullopt;
    }
    const std::string suite = suite_to_ask_for(path);
    if (suite.empty())
        co_return NotAdmitted(
            503, "private.no-suite",
            "no suite of " + settings_.id + " is known yet: run apt-get update through this node");
    Result<void> outcome = fail(Errc::untrusted, "refused less than a minute ago");
    if (!admission_->was_refused_lately(*name)) {
        auto own = std::make_shared<const fetch::Credentials>(*credentials);
        const auto admitted = co_await ask_for_client(own, path, suite);
        if (admitted && *admitted == Admitted::to_all) {
            admission_->accept(*name, system_now());
            lend(std::move(own));
            keep_admission();
        } else if (admitted && lent() == nullptr) {
            lend(std::move(own));
        }
        if (admitted)
            co_return std::nullopt;
        outcome = tl::unexpected<Error>(admitted.error());
    }
    switch (outcome.error().code()) {
        case Errc::untrusted:
            admission_->refuse(*name);
            co_return NotAdmitted(401, "private.refused",
                                  settings_.id + "'s upstream does not accept these credentials");
        case Errc::not_found:
            co_return NotAdmitted(
                404, "suite.absent",
                fmt::format("the upstream of {} has no suite {}", settings_.id, suite));
        case Errc::malformed:
        case Errc::stale:
        case Errc::unavailable:
        case Errc::storage:
            break;
    }
    if (since < settings_.credentials_kept_in_outage) {
        admission_->excuse(*name);
        co_return std::nullopt;
    }
    co_return NotAdmitted(
        503, "private.unavailable",
        "whether " + settings_.id +
            " may be given to you is not known now: its upstream does not answer");
}

void Archive::lend(fetch::CredentialsPtr credentials)
{
    const SteadyTime until = steady_now() + std::max(settings_.credentials_kept, kLeastLent);
    lent_.store(std::make_shared<const Lent>(Lent{std::move(credentials), until}));
}

http::Async<bool> Archive::admit(http::Exchange& exchange, std::string path)
{
    ++services_.counters.requests;
    if (!settings_.is_private)
        co_return true;
    const auto refusal = co_await judge_client(exchange.head(), std::move(path));
    if (!refusal)
        co_return true;
    tell_frozen(exchange);
    std::string challenge;
    if (refusal->status == 401)
        challenge = "Basic realm=\"" + settings_.id + "\"";
    co_await send_refusal(exchange, refusal->status, refusal->code, refusal->message,
                          services_.counters, challenge);
    co_return false;
}

}  // namespace aptward::archive
