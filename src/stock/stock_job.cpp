// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward stock fetch`, and what the node does by itself when a machine reported or a security
// update was shown: everything that is wanted is fetched, as far as the budget goes.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "archive/mass_fetch.h"
#include "base/text.h"
#include "http/blocking.h"
#include "stock/stock.h"

namespace aptward::stock {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostNamed = 20;
constexpr int kRestTimes = 9;  // as long as a run took, before the node's next

}  // namespace

class Stock::Work {
public:
    Work(Stock& stock, archive::Jobs::Run& run) : stock_(stock), run_(run) {}

    Result<archive::Jobs::End> work()
    {
        read_indexes();
        if (!run_.goes_on())
            return stopped();
        stock_.is_job_wanted_ = false;  // what was shown by reading them is looked at now
        plan_ = stock_.plan(nullptr, [this] { return run_.goes_on(); });
        std::map<std::shared_ptr<archive::Archive>, std::vector<Needed>> by_archive;
        for (const Wanted& wanted : plan_.missing)
            by_archive[wanted.archive].push_back(wanted.file);
        for (auto& [archive, files] : by_archive) {
            TRY_VOID(fetch(archive, std::move(files)));
            if (!run_.goes_on())
                return stopped();
        }
        tell();
        // What was beyond the budget comes with the next run, unless nothing comes any more.
        if (plan_.left_out > 0 && fetched_ > 0)
            stock_.is_job_wanted_ = true;
        if (!missing_.empty())
            return fail(Errc::unavailable,
                        fmt::format("{} of {} wanted files could not be had, the first: {}; the "
                                    "rest is held",
                                    missing_.size(), plan_.wanted, missing_.front()));
        if (!plan_.failures.empty() || !plan_.refused.empty())
            return fail(Errc::unavailable, text());
        return archive::Jobs::End{true, text()};
    }

private:
    static archive::Jobs::End stopped() { return {false, "told to stop; what came is held"}; }

    // What no client has used yet was not read: and without indexes nobody knows what is wanted.
    void read_indexes()
    {
        for (const std::string& name : stock_.machines_.names())
            if (const auto report = stock_.machines_.get(name))
                for (const Source& source : report->sources)
                    read_indexes(stock_.front_.find_by_url(source.uri), source.suite,
                                 source.components, report->machine.architecture);
        const auto settings = stock_.settings();
        for (const List& list : settings->lists)
            for (const std::string& text : list.suites) {
                const ListedSuite place = stock_.find_listed(text);
                read_indexes(place.archive, place.suite, place.components,
                             stock_.architecture_of(list));
            }
    }

    void read_indexes(const std::shared_ptr<archive::Archive>& archive, const std::string& name,
                      const std::vector<std::string>& components, const std::string& architecture)
    {
        if (archive == nullptr || archive->settings().is_private || !run_.goes_on())
            return;
        const auto view = archive->view();
        const catalog::SuiteView* suite = view->find(name);
        archive::Selection selection;
        selection.components = components;
        if (!name.ends_with('/'))
            selection.architectures = {architecture};
        const bool is_read =
            suite != nullptr && suite->current &&
            std::all_of(components.begin(), components.end(), [&](const std::string& component) {
                return suite->current->tables().count(component + "/binary-" + architecture +
                                                      "/Packages") > 0;
            });
        if (is_read && !components.empty())
            return;
        auto make = [archive, name, selection] {
            return archive->hold_indexes(
                name, [archive, name, selection](const deb::Release& release) {
                    return archive::choose_indexes(release, name, selection,
                                                   archive->settings().known_suites);
                });
        };
        // Whatever fails here is told by what is missing later.
        static_cast<void>(http::block_on(stock_.services_.control, "reading for the stock", make,
                                         [this] { return run_.goes_on(); }));
    }

    Result<void> fetch(const std::shared_ptr<archive::Archive>& archive, std::vector<Needed> files)
    {
        const auto list = std::make_shared<const std::vector<Needed>>(std::move(files));
        const auto fetching = stock_.make_fetch(archive, list);
        const std::uint64_t bytes_before = fetched_bytes_, files_before = fetched_;
        const auto look = [&] {
            fetched_bytes_ = bytes_before + fetching->bytes();
            fetched_ = files_before + fetching->stored();
            tell();
            return run_.goes_on();
        };
        const auto done = http::block_on(
            stock_.services_.control, "fetching stock", [fetching] { return fetching->run(); },
            look);
        fetching->stop();
        look();
        if (!done && done.error().code() == Errc::storage)
            return tl::unexpected<Error>(done.error());
        for (const auto& failure : fetching->failures())
            missing_.push_back((*list)[failure.number].path + ": " + failure.error.message());
        return {};
    }

    void tell() { run_.progress(fetched_bytes_, plan_.bytes, "", result()); }

    std::string result() const
    {
        Json missing = Json::array();
        for (std::size_t i = 0; i < std::min(missing_.size(), kMostNamed); ++i)
            missing.push_back(missing_[i]);
        return Json({{"wanted", plan_.wanted},
                     {"held", plan_.held},
                     {"fetched", fetched_},
                     {"fetched_bytes", fetched_bytes_},
                     {"left_out", plan_.left_out},
                     {"too_large", plan_.too_large.size()},
                     {"missing", missing_.size()},
                     {"missing_files", missing},
                     {"failures", plan_.failures},
                     {"refused", plan_.refused}})
            .dump(-1, ' ', false, Json::error_handler_t::replace);
    }

    std::string text() const
    {
        std::string said =
            fmt::format("{} files are wanted, {} were held; {} files, {} were fetched",
                        plan_.wanted, plan_.held, fetched_, human_size(fetched_bytes_));
        if (plan_.left_out > 0)
            said += fmt::format("; {} are beyond the stock-budget, and come with the next run",
                                plan_.left_out);
        if (!plan_.too_large.empty())
            said +=
                fmt::format("; {} are larger than the stock-budget and do not come, the first: {}",
                            plan_.too_large.size(), plan_.too_large.front());
        for (const std::string& failure : plan_.failures)
            said += "; not known what is wanted: " + failure;
        for (const std::string& refused : plan_.refused)
            said += "; not to be installed: " + refused;
        return said;
    }

    Stock& stock_;
    archive::Jobs::Run& run_;
    Plan plan_;
    std::vector<std::string> missing_;
    std::uint64_t fetched_ = 0, fetched_bytes_ = 0;
};

archive::Jobs::Kind Stock::make_job()
{
    archive::Jobs::Kind kind;
    kind.unit = "bytes";
    kind.is_resumable = true;
    kind.work = [this](archive::Jobs::Run& run) -> Result<archive::Jobs::End> {
        const SteadyTime began = steady_now();
        auto end = Work(*this, run).work();
        next_job_ = steady_now() + kRestTimes * (steady_now() - began);
        return end;
    };
    return kind;
}

}  // namespace aptward::stock
