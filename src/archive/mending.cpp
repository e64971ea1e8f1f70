// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/mending.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "archive/deliveries.h"
#include "archive/scrub_job.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostNamed = 20;

class Look {
public:
    Look(Services& services, Repair& repair) : services_(services), repair_(repair) {}

    void look_at_damaged(const std::string& name)
    {
        const auto digest = parse_digest(name, 0);
        if (digest && services_.blobs.find(*digest))
            return note_replaced(*digest);
        const auto outcome = digest ? repair_.fetch(*digest) : std::nullopt;
        if (outcome)
            note(*outcome, *digest);
        else
            ++mending_.unneeded;
    }

    void look_at_set_aside(const std::vector<std::string>& damaged)
    {
        for (const Digest& digest : services_.blobs.set_aside_ones()) {
            if (std::find(damaged.begin(), damaged.end(), digest.hex()) != damaged.end())
                continue;
            if (services_.blobs.find(digest)) {
                services_.blobs.note_replaced(digest);  // somebody asked for it
            } else if (const auto outcome = repair_.fetch(digest)) {
                ++mending_.missing;
                note(*outcome, digest);
            }
        }
    }

    Result<void> look_at_missing(SystemTime used_since)
    {
        const auto tell = [this](const Repair::Outcome& outcome) {
            ++mending_.missing;
            note(outcome);
        };
        repair_.fetch_missing_indexes(tell);
        TRY(const FileKeys delivered, find_delivered(services_.deliveries.folder(), used_since));
        repair_.fetch_missing_files(delivered, tell);
        return {};
    }

    const Mending& mending() const { return mending_; }

private:
    void note_replaced(const Digest& digest)
    {
        ++mending_.mended;
        services_.blobs.note_replaced(digest);
    }

    void note(const Repair::Outcome& outcome, const Digest& set_aside)
    {
        note(outcome);
        if (outcome.fetched)
            services_.blobs.note_replaced(set_aside);
    }

    void note(const Repair::Outcome& outcome)
    {
        ++(outcome.fetched ? mending_.mended : mending_.unmended);
        if (!outcome.fetched && mending_.unmended_files.size() < kMostNamed)
            mending_.unmended_files.push_back({outcome.name, outcome.fetched.error().message()});
    }

    Services& services_;
    Repair& repair_;
    Mending mending_;
};

}  // namespace

void add_to(Json& result, const Mending& mending)
{
    result["missing"] = mending.missing;
    result["mended"] = mending.mended;
    result["unmended"] = mending.unmended;
    result["unneeded"] = mending.unneeded;
    Json files = Json::array();
    for (const Mending::File& file : mending.unmended_files)
        files.push_back({{"name", file.name}, {"why", file.why}});
    result["unmended_files"] = std::move(files);
}

Mending mending_of(const Json& result)
{
    Mending mending;
    if (!result.is_object())
        return mending;
    mending.missing = result.value("missing", std::uint64_t{0});
    mending.mended = result.value("mended", std::uint64_t{0});
    mending.unmended = result.value("unmended", std::uint64_t{0});
    mending.unneeded = result.value("unneeded", std::uint64_t{0});
    for (const Json& file : result.value("unmended_files", Json::array()))
        mending.unmended_files.push_back({file.value("name", ""), file.value("why", "")});
    return mending;
}

std::string to_text(const Mending& mending)
{
    std::string text;
    if (mending.unneeded > 0)
        text += fmt::format("; {} that no release names any more", mending.unneeded);
    if (mending.missing > 0)
        text += fmt::format("; {} missing", mending.missing);
    if (mending.mended > 0)
        text += fmt::format("; {} fetched again", mending.mended);
    if (mending.unmended > 0)
        text += fmt::format("; {} could not be fetched and will be tried again", mending.unmended);
    if (!mending.unmended_files.empty())
        text += fmt::format(", the first {}: {}", mending.unmended_files.front().name,
                            mending.unmended_files.front().why);
    return text;
}

Result<Mending> mend(Services& services, Repair& repair, std::chrono::seconds hot_for,
                     const std::vector<std::string>& damaged, const std::function<bool()>& goes_on)
{
    Look look(services, repair);
    for (const std::string& name : damaged)
        if (goes_on())
            look.look_at_damaged(name);
    if (goes_on())
        look.look_at_set_aside(damaged);
    if (goes_on())
        TRY_VOID(look.look_at_missing(system_now() - hot_for));
    return look.mending();
}

Jobs::Kind make_repair(Services& services, ServedArchives archives, std::chrono::seconds hot_for)
{
    Jobs::Kind kind;
    kind.unit = "files";
    kind.is_background = true;
    kind.work = [&services, archives = std::move(archives),
                 hot_for](Jobs::Run& run) -> Result<Jobs::End> {
        const auto goes_on = [&run] { return run.goes_on(); };
        Repair repair(services, archives, goes_on);
        TRY(const Mending mending, mend(services, repair, hot_for, {}, goes_on));
        Json result = Json::object();
        add_to(result, mending);
        run.progress(mending.mended, mending.missing, "",
                     result.dump(-1, ' ', false, Json::error_handler_t::replace));
        return Jobs::End{run.goes_on(), "looked at what ought to be held" + to_text(mending)};
    };
    return kind;
}

std::optional<LastLook> last_look(const Jobs& jobs)
{
    std::optional<LastLook> last;
    for (const JobView& view : jobs.list()) {
        const JobRecord& record = view.record;
        if ((record.kind == kScrub || record.kind == kRepair) &&
            record.state == JobRecord::State::done)
            last = LastLook{record.ended, mending_of(Json::parse(record.result, nullptr, false))};
    }
    return last;
}

}  // namespace aptward::archive
