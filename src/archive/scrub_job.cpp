// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/scrub_job.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;
using Report = store::Blobs::ScrubReport;

constexpr std::chrono::milliseconds kTellEvery{200};

// The result says what was found, the cursor where that was: together they are the report so far.
Report report_of(const JobRecord& record)
{
    Report report;
    const Json found = Json::parse(record.result, nullptr, false);
    if (!found.is_object() || record.cursor.empty())
        return report;
    report.checked = found.value("checked", std::uint64_t{0});
    report.checked_bytes = found.value("bytes", std::uint64_t{0});
    report.damaged_names = found.value("damaged", std::vector<std::string>());
    report.cursor = record.cursor;
    return report;
}

/// Tells the job how far the scrub is, and everybody what it found.
class Teller {
public:
    Teller(Jobs::Run& run, EventLog& events, Repair& repair, std::size_t known)
        : run_(run), events_(events), repair_(repair), known_damaged_(known)
    {
    }

    bool goes_on(const Report& report)
    {
        for (; known_damaged_ < report.damaged_names.size(); ++known_damaged_)
            mend(report.damaged_names[known_damaged_]);
        const SteadyTime now = steady_now();
        if (now - told_ >= kTellEvery)
            tell(report);
        return run_.goes_on();
    }

    void tell_releases(const std::vector<std::string>& damaged)
    {
        for (const std::string& id : damaged)
            tell("release.damaged", id,
                 "scrub found the signed files of the release " + id.substr(0, 12) +
                     " damaged on the disk; they were written again from memory");
    }

    void tell(const Report& report) { tell(report, {}); }

    void tell(const Report& report, const Mending& mending)
    {
        told_ = steady_now();
        run_.progress(report.checked_bytes, report.total_bytes, report.cursor,
                      to_json(report, mending));
    }

private:
    void mend(const std::string& name)
    {
        tell("store.damaged", name,
             "scrub found the held file " + name + " damaged; it was set aside");
        const auto digest = parse_digest(name, 0);
        const auto again = digest ? repair_.fetch(*digest) : std::nullopt;
        if (!again)
            tell("store.unneeded", name,
                 "no release that is served or kept names the damaged file " + name);
        else if (again->fetched)
            tell("store.repaired", name,
                 "the damaged file " + name + ", " + again->name + ", was fetched again");
        else
            tell("store.unrepaired", name,
                 "the damaged file " + name + ", " + again->name +
                     ", could not be fetched again: " + again->fetched.error().message() +
                     "; it is tried again, by itself and when somebody asks for it");
    }

    void tell(std::string code, const std::string& name, std::string message)
    {
        catalog::Event event;
        event.code = std::move(code);
        event.message = std::move(message);
        event.evidence = name;
        events_.add(std::move(event));
    }

    Jobs::Run& run_;
    EventLog& events_;
    Repair& repair_;
    std::size_t known_damaged_;
    SteadyTime told_{};
};

}  // namespace

namespace {

Result<std::string> read_request(std::string_view text)
{
    const Json request = Json::parse(text, nullptr, false);
    const bool has_rate = request.is_object() && request.contains("rate");
    if (!request.is_object() || (has_rate && !request["rate"].is_number_unsigned()))
        return fail(Errc::malformed,
                    "rate (bytes per second) may be given; send {\"kind\": \"scrub\", \"rate\": "
                    "50000000}");
    return scrub_options(has_rate ? request["rate"].get<std::uint64_t>() : 0);
}

}  // namespace

std::string scrub_options(std::uint64_t rate_bytes_per_s)
{
    return Json({{"rate", rate_bytes_per_s}}).dump();
}

std::string to_json(const Report& report, const Mending& mending)
{
    Json result = {{"checked", report.checked},
                   {"bytes", report.checked_bytes},
                   {"damaged", report.damaged_names}};
    add_to(result, mending);
    return result.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_text(const Report& report)
{
    return fmt::format("checked {} blobs, {}: {} damaged{}", report.checked,
                       human_size(report.checked_bytes), report.damaged_names.size(),
                       report.damaged_names.empty() ? "" : ", set aside");
}

Jobs::Kind make_scrub(Services& services, ServedArchives archives, std::chrono::seconds hot_for)
{
    Jobs::Kind kind;
    kind.unit = "bytes";
    kind.is_resumable = true;
    kind.is_background = true;
    kind.read_options = read_request;
    kind.work = [&services, archives = std::move(archives),
                 hot_for](Jobs::Run& run) -> Result<Jobs::End> {
        const JobRecord record = run.record();
        const Json options = Json::parse(record.options, nullptr, false);
        store::Blobs::ScrubOptions scrub;
        scrub.before = report_of(record);
        if (options.is_object())
            scrub.rate_bytes_per_s = options.value("rate", std::uint64_t{0});
        const auto goes_on = [&run] { return run.goes_on(); };
        Repair repair(services, archives, goes_on);
        Teller teller(run, services.events, repair, scrub.before.damaged_names.size());
        scrub.goes_on = [&teller](const Report& report) { return teller.goes_on(report); };
        TRY(const Report report, services.blobs.scrub(scrub));
        if (!report.is_whole) {
            teller.tell(report);
            return Jobs::End{false, to_text(report)};
        }
        // Since some were found damaged sources may have come back, and other releases.
        Repair again(services, archives, goes_on);
        const auto releases = again.mend_releases();
        teller.tell_releases(releases);
        TRY(const Mending mending, mend(services, again, hot_for, report.damaged_names, goes_on));
        teller.tell(report, mending);
        std::string text = to_text(report) + to_text(mending);
        if (!releases.empty())
            text += fmt::format("; the signed files of {} releases were damaged, and written again",
                                releases.size());
        return Jobs::End{run.goes_on(), std::move(text)};
    };
    return kind;
}

}  // namespace aptward::archive
