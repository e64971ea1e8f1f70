// SPDX-License-Identifier: GPL-3.0-or-later
// The hot path: from a path to proven bytes, on the client's loop.
#include <fmt/format.h>

#include <algorithm>

#include "archive/archive.h"
#include "archive/hot_answers.h"
#include "archive/offered.h"
#include "archive/past.h"
#include "archive/send.h"
#include "archive/suite.h"

namespace aptward::archive {
namespace {

using std::chrono::milliseconds;

// What is held waits this long for a source to confirm or replace it (archive-reality 11).
constexpr milliseconds kRevalidate{1000};
// Without anything held, the client waits for the sources, well inside apt's 30 s.
constexpr milliseconds kFirst{9000};
// A disk that cannot be read is not asked to build tables all the time.
constexpr milliseconds kMendAgain{2000};

std::int64_t age_of(const catalog::SuiteView& view)
{
    return (system_now() - view.checked_at).count();
}

Provenance provenance_of(const catalog::SuiteView& view, const catalog::Generation& generation)
{
    Provenance provenance;
    provenance.generation = generation.short_id();
    provenance.generation_id = generation.id();
    provenance.modified = generation.date();
    provenance.age_s = age_of(view);
    provenance.is_unverified = generation.verified().signers().empty();
    return provenance;
}

}  // namespace

std::optional<catalog::SuiteView> Archive::suite_view(std::string_view suite) const
{
    const auto view = view_.load();
    const catalog::SuiteView* found = view->find(suite);
    if (found == nullptr || !found->current)
        return std::nullopt;
    return *found;
}

bool Archive::is_fresh(const Name& name, const catalog::SuiteView& view) const
{
    const bool is_security = name.suite.find("security") != std::string::npos;
    const auto limit = is_security ? settings_.security_freshness : settings_.freshness;
    return view.checked != SteadyTime{} && steady_now() - view.checked < limit;
}

// The suite as it is served now: refreshed when what is held is older than wished.
http::Async<std::optional<catalog::SuiteView>> Archive::fresh_suite(const Name& name)
{
    auto view = suite_view(name.suite);
    if (view && is_fresh(name, *view))
        co_return view;
    const SteadyTime deadline = steady_now() + (view ? kRevalidate : kFirst);
    co_await refresh(name.suite, deadline);
    co_return suite_view(name.suite);
}

http::Async<void> Archive::serve(http::Exchange& exchange, std::string path, std::uint64_t moment,
                                 std::size_t ring)
{
    const bool is_admitted = co_await admit(exchange, path);
    if (!is_admitted)
        co_return;
    if (const FrozenPtr frozen = tell_frozen(exchange)) {
        co_await serve_past(exchange, std::move(path), frozen->past, Because::frozen);
        co_return;
    }
    std::vector<std::string_view> suites;
    const auto view = view_.load();
    for (const auto& [suite, state] : view->suites)
        if (state.current)
            suites.push_back(suite);
    for (const KnownSuite& known : settings_.known_suites)
        suites.push_back(known.suite);
    const Name name = read_name(path, suites);
    if (name.kind != Name::Kind::pool && !may_have_suite(name.suite)) {
        co_await send_refusal(exchange, 404, "suite.not-configured",
                              fmt::format("the suite {} of {} is not among the configured ones",
                                          name.suite, settings_.id),
                              services_.counters);
        co_return;
    }
    const bool is_auxiliary = co_await serve_auxiliary(exchange, name, path);
    if (is_auxiliary) {
        co_return;  // no index names it
    }
    const bool is_served_to_ring = co_await serve_ring(exchange, name, ring);
    if (is_served_to_ring) {
        co_return;
    }
    if (name.kind == Name::Kind::release_file) {
        co_await serve_release_file(exchange, name, ring);
    } else if (name.kind == Name::Kind::by_hash) {
        co_await serve_by_hash(exchange, name);
    } else if (name.kind == Name::Kind::index) {
        co_await serve_index(exchange, name, moment);
    } else {
        co_await serve_pool(exchange, name, moment);
    }
}

// Nothing is held of the suite: absence has to be proven by all sources, else it is ignorance.
http::Async<void> Archive::refuse_unknown(http::Exchange& exchange, const Name& name)
{
    struct Found {
        bool is_absent = false;
        trust::Verdict verdict;
    };
    auto signal = co_await http::make_signal();
    auto found = std::make_shared<Found>();
    const auto look = [](std::shared_ptr<Archive> self, std::string suite,
                         std::shared_ptr<Found> to,
                         std::shared_ptr<http::Signal> done) -> http::Async<void> {
        const auto known = self->suites_.find(suite);
        if (known != self->suites_.end()) {
            to->is_absent = known->second->is_absent();
            to->verdict = known->second->report().verdict;
        }
        done->notify();
        co_return;
    };
    http::spawn(services_.control, "why", look(shared_from_this(), name.suite, found, signal));
    co_await signal->wait_until(steady_now() + milliseconds(500));
    if (found->is_absent) {
        co_await send_refusal(
            exchange, 404, "suite.absent",
            fmt::format("no source of {} has a suite {}", settings_.id, name.suite),
            services_.counters);
        co_return;
    }
    std::string code = found->verdict.code.empty() ? "suite.unavailable" : found->verdict.code;
    const std::string why =
        found->verdict.message.empty() ? "no source has answered yet" : found->verdict.message;
    co_await send_refusal(
        exchange, 503, std::move(code),
        fmt::format("nothing proven is held of {} {}: {}", settings_.id, name.suite, why),
        services_.counters);
}

http::Async<void> Archive::serve_release_file(http::Exchange& exchange, const Name& name,
                                              std::size_t ring)
{
    auto suite = co_await fresh_suite(name);
    if (!suite) {
        co_await refuse_unknown(exchange, name);
        co_return;
    }
    const bool wants_detached = name.rest != "InRelease";
    if (wants_detached && suite->current->files().release_gpg.empty()) {
        auto signal = co_await http::make_signal();
        const auto start = [](std::shared_ptr<Archive> self, std::string target,
                              std::shared_ptr<http::Signal> done) -> http::Async<void> {
            co_await self->suite(target).fetch_detached();
            done->notify();
        };
        http::spawn(services_.control, "detached", start(shared_from_this(), name.suite, signal));
        co_await signal->wait_until(steady_now() + kFirst);
        suite = suite_view(name.suite);
    }
    if (!suite) {
        co_await refuse_unknown(exchange, name);  // withdrawn meanwhile
        co_return;
    }
    // Asking may have brought a release that this client's ring has to wait for. Who sees it sees
    // what the ring keeps (Rings::hold_back).
    const bool is_served_to_ring = co_await serve_ring(exchange, name, ring);
    if (is_served_to_ring) {
        co_return;
    }
    // A Release.gpg belongs to the Release that this client has fetched.
    const std::string& client = exchange.principal().address;
    catalog::GenerationPtr generation = suite->current;
    if (name.rest == "Release.gpg")
        generation = pinned_generation(client, name.suite, *suite);
    else
        pins_->note(client, name.suite, generation->id());
    co_await send_release_file(exchange, name, *suite, *generation);
}

// The generation whose release this client fetched last; else the current one.
catalog::GenerationPtr Archive::pinned_generation(const std::string& client,
                                                  const std::string& suite,
                                                  const catalog::SuiteView& view) const
{
    const std::string pinned = pins_->find(client, suite);
    if (!pinned.empty() && pinned != view.current->id())
        for (const catalog::GenerationPtr& recent : view.recent)
            if (recent->id() == pinned)
                return recent;
    return view.current;
}

http::Async<void> Archive::send_release_file(http::Exchange& exchange, const Name& name,
                                             catalog::SuiteView suite,
                                             const catalog::Generation& generation)
{
    const catalog::ReleaseFiles& files = generation.files();
    const std::string& bytes = name.rest == "InRelease" ? files.inrelease
                               : name.rest == "Release" ? files.release
                                                        : files.release_gpg;
    const auto now = suite_view(name.suite);
    if (bytes.empty() && (!now || now->current->id() != generation.id())) {
        co_await send_refusal(exchange, 503, "release.not-held",
                              name.rest +
                                  " of this release is not held, and sources have another "
                                  "one by now: ask for its InRelease",
                              services_.counters);
        co_return;
    }
    if (bytes.empty()) {
        co_await send_refusal(exchange, 404, "release.other-form",
                              "the vendor publishes this release in another form",
                              services_.counters);
        co_return;
    }
    Provenance provenance = provenance_of(suite, generation);
    provenance.is_stale = !is_fresh(name, suite) && settings_.freshness.count() > 0;
    const std::string etag = "\"" + generation.id() + "-" + name.rest + "\"";
    const std::string path = suite_folder(name.suite) + name.rest;
    provenance.archive = settings_.id;
    provenance.path = path;
    co_await send_text(exchange, bytes, etag, provenance, services_);
}

http::Async<void> Archive::serve_index(http::Exchange& exchange, const Name& name,
                                       std::uint64_t moment)
{
    auto suite = suite_view(name.suite);
    if (!suite) {
        suite = co_await fresh_suite(name);
    }
    if (!suite) {
        co_await refuse_unknown(exchange, name);
        co_return;
    }
    const catalog::GenerationPtr generation =
        pinned_generation(exchange.principal().address, name.suite, *suite);
    if (is_in_flat_pool(*generation, name)) {
        const Name in_pool = as_pool(name);
        co_await serve_pool(exchange, in_pool, moment);
        co_return;
    }
    co_await send_index(exchange, name, generation);
}

http::Async<void> Archive::send_index(http::Exchange& exchange, const Name& name,
                                      catalog::GenerationPtr generation)
{
    const deb::ListedFile* file = find_offered(*generation, name);
    if (file == nullptr) {
        const std::string code = is_patch(name.rest) ? "index.no-pdiffs" : "index.unlisted";
        co_await send_refusal(
            exchange, 404, code,
            fmt::format("the release of {} of {} does not offer {}",
                        deb::format_release_date(generation->date()), name.suite, name.rest),
            services_.counters);
        co_return;
    }
    co_await send_listed(exchange, name, generation, *file);
}

http::Async<void> Archive::serve_by_hash(http::Exchange& exchange, const Name& name)
{
    for (int attempt = 0; attempt < 2; ++attempt) {
        auto suite = suite_view(name.suite);
        if (suite) {
            std::vector<catalog::GenerationPtr> all = {suite->current};
            all.insert(all.end(), suite->recent.begin(), suite->recent.end());
            for (const catalog::GenerationPtr& generation : all) {
                const deb::ListedFile* file = find_offered(*generation, name);
                if (file == nullptr)
                    continue;
                // One file of several digests: it is held under the first of them.
                co_await send_listed(exchange, name, generation, *file);
                co_return;
            }
        }
        if (attempt == 0 && !(suite && steady_now() - suite->checked < kAbsentAgain)) {
            const milliseconds limit = suite ? kRevalidate * 3 : kFirst;
            co_await refresh(name.suite, steady_now() + limit);
        }
    }
    const auto suite = suite_view(name.suite);
    if (!suite) {
        co_await refuse_unknown(exchange, name);
        co_return;
    }
    co_await send_refusal(exchange, 404, "index.unlisted",
                          "no accepted release of " + name.suite + " lists this hash",
                          services_.counters);
}

http::Async<void> Archive::send_listed(http::Exchange& exchange, const Name& name,
                                       catalog::GenerationPtr generation,
                                       const deb::ListedFile& file)
{
    fetch::Want want = want_of(name.suite, *generation, file);
    const std::string path = suite_folder(name.suite) + file.path;
    catalog::SuiteView moment;
    moment.checked_at = system_now();
    Provenance provenance = provenance_of(moment, *generation);
    provenance.archive = settings_.id;
    provenance.path = path;
    const std::string base(deb::without_compression(file.path));
    const bool is_sent = co_await send_wanted(exchange, std::move(want), provenance, services_);
    if (is_sent && generation->tables().count(base) == 0) {
        const bool is_waited_for = catalog::is_tabled(file.path);
        if (is_waited_for)
            ++adoptions_;
        const auto adopt = [](std::shared_ptr<Archive> self, std::string suite_name, std::string id,
                              std::string listed, bool counts) -> http::Async<void> {
            Suite& target = self->suite(suite_name);
            co_await target.adopt_index(std::move(id), std::move(listed));
            if (counts)
                --self->adoptions_;
        };
        http::spawn(
            services_.control, "adopting " + file.path,
            adopt(shared_from_this(), name.suite, generation->id(), file.path, is_waited_for));
    }
    if (is_sent)
        co_return;
    // Sources show another release by now: that they lack this index says nothing (archive-reality
    // 2).
    const auto now = suite_view(name.suite);
    if (!now || now->current->id() != generation->id()) {
        co_await send_refusal(
            exchange, 503, "index.gone",
            fmt::format("{} of the release of {} is not held any more, and no source of {} has it",
                        file.path, deb::format_release_date(generation->date()), settings_.id),
            services_.counters);
        co_return;
    }
    co_await send_refusal(
        exchange, 404, "index.absent",
        fmt::format("{} is listed, but no source of {} publishes it", file.path, settings_.id),
        services_.counters);
}

// What a failing disk took from a table is built again meanwhile, also what it takes during that.
Result<std::optional<Digest>> Archive::find_pool(std::string_view path)
{
    auto digest = view_.load()->find_pool(path);
    if (digest)
        return digest;
    must_mend_ = true;
    if (is_mending_.exchange(true))
        return digest;
    const auto mend = [](std::shared_ptr<Archive> self) -> http::Async<void> {
        do {
            while (self->must_mend_.exchange(false)) {
                for (const auto& [name, suite] : self->suites_) {
                    co_await suite->mend_tables();
                }
                co_await http::sleep_until(steady_now() + kMendAgain);
            }
            self->is_mending_ = false;
        } while (self->must_mend_ && !self->is_mending_.exchange(true));
    };
    http::spawn(services_.control, "mending tables", mend(shared_from_this()));
    return digest;
}

// Every suite reads what may list the file. False when one of them cannot tell.
http::Async<bool> Archive::look_for(std::string path)
{
    auto signal = co_await http::make_signal();
    auto is_known = std::make_shared<std::atomic<bool>>(false);
    const auto look = [](std::shared_ptr<Archive> self, std::string wanted,
                         std::shared_ptr<std::atomic<bool>> outcome,
                         std::shared_ptr<http::Signal> done) -> http::Async<void> {
        bool all = !self->suites_.empty();
        const auto view = self->view_.load();
        for (const auto& [suite, state] : view->suites) {
            if (!state.current)
                continue;
            const std::string id = state.current->id();
            const bool one = co_await self->suite(suite).look_for(id, wanted);
            all = all && one;
        }
        *outcome = all;
        done->notify();
    };
    http::spawn(services_.control, "looking for " + path,
                look(shared_from_this(), path, is_known, signal));
    const bool is_over = co_await signal->wait_until(steady_now() + kFirst);
    co_return is_over && *is_known;
}

// The digest, nothing when no release lists the path, or unavailable while that is not known.
http::Async<Result<std::optional<Digest>>> Archive::search_pool(std::string path)
{
    auto found = find_pool(path);
    // An index that the client has just fetched may still be on its way into a table.
    const SteadyTime settled = steady_now() + milliseconds(5000);
    while (found && !*found && adoptions_ > 0 && steady_now() < settled) {
        co_await http::sleep_until(steady_now() + milliseconds(20));
        found = find_pool(path);
    }
    if (!found || *found)
        co_return found;
    // The path is in no table: refresh once and read what was not read, then say which it is (law
    // 7).
    const auto view = view_.load();
    bool is_certain = !view->suites.empty();
    for (const auto& [suite, state] : view->suites) {
        if (steady_now() - state.checked < kAbsentAgain && state.checked != SteadyTime{})
            continue;
        const bool is_over = co_await refresh(suite, steady_now() + kRevalidate);
        is_certain = is_certain && is_over && suite_view(suite);  // not withdrawn
    }
    found = find_pool(path);
    if (!found || *found)
        co_return found;
    const bool is_known = co_await look_for(path);
    found = find_pool(path);
    if (found && !*found && !(is_certain && is_known))
        co_return fail(Errc::unavailable, "an index that may list it is not to be had now");
    co_return found;
}

http::Async<void> Archive::serve_pool(http::Exchange& exchange, const Name& name,
                                      std::uint64_t moment)
{
    const auto found = co_await search_pool(name.rest);
    if (found && *found) {
        const Digest digest = **found;
        fetch::Want want = want_of_pool(digest, name.rest);
        Provenance provenance;
        provenance.modified = modified_of(digest);
        provenance.archive = settings_.id;
        provenance.path = name.rest;
        provenance.moment = settings_.is_private ? 0 : moment;
        const bool is_sent = co_await send_wanted(exchange, std::move(want), provenance, services_);
        if (is_sent)
            co_return;
        co_await send_refusal(
            exchange, 503, "pool.missing",
            fmt::format("{} is in a verified index, but no source of {} has it now", name.rest,
                        settings_.id),
            services_.counters);
        co_return;
    }
    if (found) {
        co_await send_refusal(exchange, 404, "pool.absent",
                              fmt::format("no index of {} lists {}", settings_.id, name.rest),
                              services_.counters);
        co_return;
    }
    const std::string why = found.error().message();
    if (found.error().code() == Errc::unavailable) {
        co_await send_refusal(
            exchange, 503, "pool.unknown",
            fmt::format("whether {} has {} is not known: {}", settings_.id, name.rest, why),
            services_.counters);
        co_return;
    }
    co_await send_refusal(
        exchange, 503, "table.unreadable",
        "what this archive lists cannot be read now, it is being built again: " + why,
        services_.counters);
}

}  // namespace aptward::archive
