// SPDX-License-Identifier: GPL-3.0-or-later
#include "stock/stock.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "archive/mass_fetch.h"
#include "base/text.h"
#include "stock/requested.h"

namespace aptward::stock {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kSourcesAgain{15};
constexpr std::chrono::seconds kLeastAfterSilence{60};
constexpr std::chrono::hours kLongestSilence{24};  // then a release is shown whatever it lacks
constexpr std::chrono::seconds kLookAgain{1};

template <class Named>
std::string names_of(const std::vector<Named>& list)
{
    std::vector<std::string> names;
    for (const Named& one : list)
        names.push_back(one.name);
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

bool tells_the_same(MachineReport a, MachineReport b)
{
    for (MachineReport* one : {&a, &b}) {
        one->reported = {};
        one->from.clear();
    }
    return to_json(a) == to_json(b);
}

// It keeps what it stops alive, and ends by itself.
http::Async<void> stop_at(std::shared_ptr<archive::MassFetch> fetching, SteadyTime deadline)
{
    co_await http::sleep_until(deadline);
    fetching->stop();
}

}  // namespace

Result<Query> parse_query(std::string_view json)
{
    const Json object = Json::parse(json, nullptr, false);
    if (!object.is_object())
        return fail(Errc::malformed, "a JSON object is wanted, such as {\"machines\": [\"web1\"]}");
    Query query;
    const std::pair<const char*, std::vector<std::string>*> parts[] = {
        {"machines", &query.machines}, {"lists", &query.lists}, {"packages", &query.packages}};
    for (const auto& [key, list] : parts) {
        const auto value = object.find(key);
        if (value == object.end())
            continue;
        const bool is_list =
            value->is_array() && std::all_of(value->begin(), value->end(),
                                             [](const Json& one) { return one.is_string(); });
        if (!is_list)
            return fail(Errc::malformed, fmt::format("{}: a list of names is wanted", key));
        *list = value->get<std::vector<std::string>>();
    }
    const Json files = object.value("files", Json(false));
    if (!files.is_boolean())
        return fail(Errc::malformed, "files: true or false is wanted");
    query.wants_files = files.get<bool>();
    return query;
}

Stock::Stock(archive::Services& services, crypto::Spawner& spawner, archive::Front& front,
             const std::filesystem::path& state, Settings settings)
    : services_(services),
      spawner_(spawner),
      front_(front),
      machines_(state),
      settings_(std::make_shared<const Settings>(std::move(settings))),
      pace_(std::make_shared<archive::Pace>())
{
}

void Stock::use(Settings settings)
{
    settings_.store(std::make_shared<const Settings>(std::move(settings)));
}

std::optional<NamedView> Stock::find_view(const std::string& uri, const Next* next) const
{
    const auto archive = front_.find_by_url(uri);
    if (archive == nullptr)
        return std::nullopt;
    auto view = archive->view();
    if (next != nullptr && archive == next->archive) {
        auto changed = std::make_shared<catalog::ArchiveView>(*view);
        changed->suites[next->suite].current = next->generation;
        view = std::move(changed);
    }
    return NamedView{archive->settings().id, std::move(view)};
}

Lookup Stock::lookup(const Next* next) const
{
    return {spawner_, services_.blobs, services_.private_marks,
            [this, next](const std::string& uri) { return find_view(uri, next); }};
}

std::string Stock::architecture_of(const List& list) const
{
    return list.architecture.empty() ? services_.architecture : list.architecture;
}

Stock::ListedSuite Stock::find_listed(const std::string& text) const
{
    const std::size_t slash = std::min(text.find('/'), text.size());
    ListedSuite found;
    found.archive = front_.find_archive(text.substr(0, slash));
    found.suite = text.substr(std::min(slash + 1, text.size()));
    if (found.archive == nullptr)
        return found;
    const auto view = found.archive->view();
    const catalog::SuiteView* known = view->find(found.suite);
    found.is_held = known != nullptr && known->current;
    if (found.is_held && !found.suite.ends_with('/'))
        found.components = known->current->release().components;
    return found;
}

Result<Subject> Stock::subject_of_list(const List& list) const
{
    Subject subject;
    if (!list.machine.empty()) {
        TRY(const MachineReport report, machines_.get(list.machine));
        subject = subject_of(report);
        subject.has_machine = false;
    } else {
        subject.machine.architecture = architecture_of(list);
    }
    subject.name = list.name;
    subject.wants_everything = list.packages.front() == kEverything;
    if (!subject.wants_everything)
        subject.packages = list.packages;
    for (const std::string& place : list.suites) {
        ListedSuite found = find_listed(place);
        if (!found.is_held)
            return fail(Errc::not_found,
                        fmt::format("the list {} is of {}, of which nothing is held", list.name,
                                    printable(place)));
        subject.sources.push_back({found.archive->sources().front()->url(), std::move(found.suite),
                                   std::move(found.components)});
    }
    return subject;
}

Result<std::vector<Stock::Look>> Stock::look(const Query& query) const
{
    const auto settings = settings_.load();
    const bool wants_all = query.machines.empty() && query.lists.empty();
    std::vector<std::string> machines = wants_all ? machines_.names() : query.machines;
    std::vector<std::string> lists = query.lists;
    if (wants_all)
        for (const List& list : settings->lists)
            lists.push_back(list.name);
    std::vector<Look> looks;
    const auto add = [&](Look look, Subject subject) {
        if (is_stopping_)
            return;
        subject.asked = query.packages;
        look.stock.name = subject.name;
        auto stock = look_at(lookup(nullptr), subject);
        if (stock)
            look.stock = std::move(*stock);
        else
            look.failure = stock.error().message();
        looks.push_back(std::move(look));
    };
    const auto note_failure = [&](const std::string& name, bool is_list, const Error& error) {
        Look look{{}, is_list, {}, error.message()};
        look.stock.name = name;
        looks.push_back(std::move(look));
    };
    for (const std::string& name : machines) {
        const auto report = machines_.get(to_lower(name));
        if (report)
            add({{}, false, report->reported, {}}, subject_of(*report));
        else if (wants_all)  // one report hides no other
            note_failure(name, false, report.error());
        else
            return tl::unexpected<Error>(report.error());
    }
    for (const std::string& name : lists) {
        const auto list = std::find_if(settings->lists.begin(), settings->lists.end(),
                                       [&](const List& one) { return one.name == name; });
        if (list == settings->lists.end())
            return fail(Errc::not_found,
                        fmt::format("the configuration has no [[stock-list]] \"{}\"; there are: {}",
                                    printable(name), names_of(settings->lists)));
        auto subject = subject_of_list(*list);
        if (subject)
            add({{}, true, {}, {}}, std::move(*subject));
        else
            note_failure(name, true, subject.error());
    }
    if (is_stopping_)
        return fail(Errc::unavailable, "the node is stopping");
    return looks;
}

bool Stock::has_patience() const
{
    const auto settings = settings_.load();
    return settings->wait.count() > 0 && settings->budget_bytes > 0;
}

// None of them gave anything since, and all were given up for now.
http::Async<bool> Stock::are_silent(std::shared_ptr<archive::Archive> archive, SystemTime since)
{
    auto asked = archive->asked();
    const auto reports = co_await services_.fetcher.report(std::move(asked));
    co_return std::all_of(reports.begin(), reports.end(), [&](const fetch::SourceReport& one) {
        return one.is_open && one.last_good_time < since;
    });
}

std::shared_ptr<archive::MassFetch> Stock::make_fetch(
    const std::shared_ptr<archive::Archive>& archive, const Files& files) const
{
    archive::MassFetch::Options options;
    options.count = files->size();
    options.want = [archive, files](std::size_t number) {
        return archive->want_of_pool((*files)[number].digest, (*files)[number].path);
    };
    pace_->set_rate(settings()->rate_bytes_per_s);
    options.pace = pace_;
    return std::make_shared<archive::MassFetch>(archive, services_.fetcher, std::move(options));
}

// True when everything is held. What no source has is not waited for.
http::Async<bool> Stock::fetch_all(std::vector<Wanted> missing, SteadyTime deadline)
{
    std::map<std::shared_ptr<archive::Archive>, std::vector<Needed>> by_archive;
    for (Wanted& wanted : missing)
        if (!wanted.archive->may_use(wanted.file.digest))
            by_archive[wanted.archive].push_back(std::move(wanted.file));
    bool is_whole = true;
    for (auto& [archive, files] : by_archive) {
        const auto list = std::make_shared<const std::vector<Needed>>(std::move(files));
        auto fetching = make_fetch(archive, list);
        http::spawn(services_.control, "ending a fetch of stock", stop_at(fetching, deadline));
        const auto done = co_await fetching->run();
        is_whole = is_whole && done.has_value() &&
                   fetching->stored() + fetching->failures().size() == list->size() &&
                   std::all_of(fetching->failures().begin(), fetching->failures().end(),
                               [](const auto& one) { return one.error.code() == Errc::not_found; });
    }
    co_return is_whole;
}

// While every source is silent, a release that names what cannot be had helps nobody: then clients
// are better off with the one whose files are held, and it waits beyond its limit. One file that is
// refused is no silence: a source that gives anything else meanwhile ends the wait.
http::Async<bool> Stock::fetch(std::shared_ptr<archive::Archive> archive, std::string suite,
                               catalog::GenerationPtr next)
{
    const SteadyTime began = steady_now();
    const auto wait = settings()->wait;
    // Machines whose wishes take longer to find out come with the job that follows.
    auto make = [this, archive, suite, next, until = began + wait / 2] {
        const Next about{archive, suite, next};
        return plan(&about, [until] { return steady_now() < until; });
    };
    const Plan plan = co_await http::on_worker(planning_, std::move(make));
    const bool is_all = plan.failures.empty() && plan.left_out == 0 && plan.too_large.empty();
    SteadyTime deadline = began + wait;
    bool has_answered = false;
    while (!archive->is_retired() && steady_now() < began + kLongestSilence) {
        auto missing = plan.missing;
        const bool is_whole = co_await fetch_all(std::move(missing), deadline);
        if (is_whole)
            co_return is_all;
        const SystemTime failed_at = system_now();
        const bool were_silent = co_await are_silent(archive, failed_at);
        if (!were_silent || has_answered)
            co_return false;
        co_await http::sleep_until(steady_now() + kSourcesAgain);
        const bool are_still = co_await are_silent(archive, failed_at);
        has_answered = !are_still;
        deadline = std::max(deadline, steady_now() + kLeastAfterSilence);
    }
    co_return false;
}

void Stock::note_shown(const std::string& archive, const std::string& suite)
{
    const auto shown = front_.find_archive(archive);
    const auto view = shown == nullptr ? nullptr : shown->view();
    const catalog::SuiteView* known = view == nullptr ? nullptr : view->find(suite);
    const bool has_successors = known != nullptr && !known->recent.empty();
    if (has_successors || !settings()->lists.empty() || !machines_.names().empty())
        want_job();
}

// The same report again is no news.
Result<void> Stock::take_report(MachineReport report)
{
    const auto known = machines_.get(report.name);
    TRY_VOID(machines_.put(report));
    if (!known || !tells_the_same(*known, report))
        want_job();
    return {};
}

void Stock::want_job()
{
    if (settings()->budget_bytes == 0)
        return;
    is_job_wanted_ = true;
    start_wanted_job();
}

// One runs at a time, and takes a tenth of the time at most: what comes meanwhile is looked at by
// one more.
void Stock::start_wanted_job()
{
    if (!is_job_wanted_ || services_.jobs.is_busy(kStock) || steady_now() < next_job_.load())
        return;
    is_job_wanted_ = false;
    if (const auto started = services_.jobs.start(kStock, "{}", "node"); !started)
        is_job_wanted_ = true;
}

http::Async<void> Stock::keep()
{
    while (!is_stopping_) {
        co_await http::sleep_until(steady_now() + kLookAgain);
        start_wanted_job();
    }
}

void Stock::stop()
{
    is_stopping_ = true;
    planning_.stop(WorkerPool::Queued::drop);
    looking_.stop(WorkerPool::Queued::drop);
}

}  // namespace aptward::stock
