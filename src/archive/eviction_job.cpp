// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/eviction_job.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "archive/needs.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostNamed = 20;

struct Options {
    bool is_dry_run = false;
    std::optional<std::uint64_t> to_bytes, free_bytes;
};

Options read(const JobRecord& record)
{
    const Json json = Json::parse(record.options, nullptr, false);
    Options options;
    if (!json.is_object())
        return options;
    options.is_dry_run = json.value("dry_run", false);
    if (json.contains("to"))
        options.to_bytes = json.value("to", std::uint64_t{0});
    if (json.contains("free"))
        options.free_bytes = json.value("free", std::uint64_t{0});
    return options;
}

std::uint64_t kept_bytes_of(const EvictionPlan& plan)
{
    return plan.held[static_cast<std::size_t>(Need::kept)].bytes;
}

EvictionLimits limits_at(SystemTime now, std::chrono::seconds hot_for)
{
    EvictionLimits limits;
    limits.spared_since = now - kSpared;
    limits.hot_since = now - hot_for;
    return limits;
}

QuotaCount count_of(const EvictionPlan& plan)
{
    QuotaCount count;
    count.held_bytes = plan.held_bytes;
    count.kept_bytes = kept_bytes_of(plan);
    count.hot_bytes = plan.hot.bytes;
    count.staying_bytes = plan.held_bytes - plan.freed_bytes;
    return count;
}

class EvictionRun {
public:
    EvictionRun(Services& services, const FindArchive& find_archive, EvictionSettings settings,
                Jobs::Run& run)
        : services_(services),
          settings_(settings),
          quota_bytes_(settings.quota.bytes()),
          stored_before_(services.blobs.stored_bytes()),
          options_(read(run.record())),
          run_(run),
          needs_(services, remember(services, find_archive), [&run] { return run.goes_on(); })
    {
    }

    Result<Jobs::End> work()
    {
        if (const auto found = needs_.find(); !found)
            return ended(found.error());
        EvictionLimits limits = limits_at(system_now(), settings_.quota.hot_for());
        limits.target_bytes = target();
        plan_ = plan_eviction(needs_.files(), limits);
        const bool is_hopeless = kept_bytes_of(plan_) > allowed();
        if (is_hopeless)
            plan_.give_up();
        if (!options_.is_dry_run && !is_hopeless) {
            if (const auto gone = evict(limits.spared_since); !gone)
                return ended(gone.error());
            remove_tables();
        }
        note_count();
        TRY_VOID(tell());
        if (is_hopeless)
            return fail(Errc::storage, hopeless());
        if (plan_.over_bytes > 0)
            return fail(Errc::storage, too_small(limits.target_bytes));
        return Jobs::End{true, text()};
    }

private:
    Result<Jobs::End> ended(const Error& error) const
    {
        if (error.code() == Errc::stale)
            return Jobs::End{false, "told to stop; what is held is whole"};
        return tl::unexpected<Error>(error);
    }

    // Nothing goes below the high mark, and then enough for a while.
    std::uint64_t target() const
    {
        if (options_.to_bytes)
            return *options_.to_bytes;
        const auto quota = static_cast<double>(quota_bytes_);
        std::uint64_t held = 0;
        for (const HeldFile& file : needs_.files())
            held += file.bytes;
        if (options_.free_bytes)
            return held - std::min(held, *options_.free_bytes);
        if (quota_bytes_ == 0 || static_cast<double>(held) <= quota * kHighWater)
            return held;
        return static_cast<std::uint64_t>(quota * kLowWater);
    }

    // What an operator's own limit leaves says nothing of the quota.
    void note_count()
    {
        if (options_.to_bytes || options_.free_bytes)
            return;
        QuotaCount count = count_of(plan_);
        count.held_bytes -= std::min(evicted_bytes_, count.held_bytes);
        count.stored_before = stored_before_;
        settings_.quota.note(count);
    }

    // More than this is a mistake of the configuration, for which nothing shall be lost. What
    // clients use is none, nor is a full disk: there whatever can go helps.
    std::uint64_t allowed() const
    {
        const bool has_limit = !options_.free_bytes && (options_.to_bytes || quota_bytes_ > 0);
        return has_limit ? options_.to_bytes.value_or(quota_bytes_) : UINT64_MAX;
    }

    Result<void> evict(SystemTime spared_since)
    {
        std::vector<bool> is_victim(needs_.files().size());
        for (const std::size_t number : plan_.victims)
            is_victim[number] = true;
        Result<void> outcome;
        TRY_VOID(services_.blobs.each([&](const store::Blobs::Entry& entry) {
            const auto number = needs_.number_of(entry.digest);
            if (!number || !is_victim[*number])
                return true;
            const auto gone = services_.blobs.evict(entry.digest, spared_since);
            if (!gone)
                outcome = tl::unexpected<Error>(gone.error());
            if (gone && *gone && entry.digest.algorithm == HashAlgorithm::sha256) {
                ++evicted_files_;
                evicted_bytes_ += entry.digest.size_bytes;
                run_.progress(evicted_bytes_, plan_.freed_bytes, "", "");
            }
            if (!run_.goes_on())
                outcome = fail(Errc::stale, "told to stop");
            return outcome.has_value();
        }));
        if (evicted_files_ > 0)
            settings_.on_evicted();
        return outcome;
    }

    // Those of releases that only a moment can ask for are built again then.
    void remove_tables()
    {
        std::error_code error;
        for (std::filesystem::directory_iterator it(services_.tables, error), end;
             !error && it != end; it.increment(error)) {
            std::error_code ignored;
            const auto age = std::filesystem::file_time_type::clock::now() -
                             std::filesystem::last_write_time(it->path(), ignored);
            if (needs_.tables().count(it->path().filename().string()) == 0 && age > kSpared)
                std::filesystem::remove(it->path(), ignored);
        }
    }

    Result<void> tell()
    {
        std::set<std::size_t> first(plan_.victims.begin(),
                                    plan_.victims.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                kMostNamed, plan_.victims.size())));
        TRY(const auto names, needs_.names(first));
        Json examples = Json::array();
        for (const std::size_t number : plan_.victims) {
            if (examples.size() == first.size())
                break;
            const HeldFile& file = needs_.files()[number];
            const auto name = names.find(number);
            examples.push_back({{"file", to_hex(file.key.data(), file.key.size())},
                                {"name", name == names.end() ? "" : name->second},
                                {"bytes", file.bytes},
                                {"needed_by", to_string(file.need)},
                                {"used", file.used}});
        }
        Json held = Json::object();
        for (const Need need : {Need::nobody, Need::past, Need::current, Need::kept}) {
            const auto& share = plan_.held[static_cast<std::size_t>(need)];
            held[std::string(to_string(need))] = {{"files", share.files}, {"bytes", share.bytes}};
        }
        const Json result = {
            {"dry_run", options_.is_dry_run},
            {"quota", quota_bytes_},
            {"held_bytes", plan_.held_bytes},
            {"held", held},
            {"hot", {{"files", plan_.hot.files}, {"bytes", plan_.hot.bytes}}},
            {"planned", {{"files", plan_.victims.size()}, {"bytes", plan_.freed_bytes}}},
            {"evicted", {{"files", evicted_files_}, {"bytes", evicted_bytes_}}},
            {"over_bytes", plan_.over_bytes},
            {"first", examples}};
        run_.progress(evicted_bytes_, plan_.freed_bytes, "",
                      result.dump(-1, ' ', false, Json::error_handler_t::replace));
        return {};
    }

    std::string text() const { return outcome() + unread(); }

    std::string unread() const
    {
        const auto& unread = needs_.unread();
        if (unread.empty())
            return "";
        return fmt::format(
            "; {} is held in no form, so what it may name counts as served: aptward "
            "scrub fetches it again",
            *unread.begin());
    }

    std::string outcome() const
    {
        if (plan_.victims.empty())
            return fmt::format("{} are held; nothing has to go", human_size(plan_.held_bytes));
        if (options_.is_dry_run)
            return fmt::format("{} are held; {} files, {}, would go", human_size(plan_.held_bytes),
                               plan_.victims.size(), human_size(plan_.freed_bytes));
        return fmt::format("{} were held; {} files, {}, went", human_size(plan_.held_bytes),
                           evicted_files_, human_size(evicted_bytes_));
    }

    std::string hopeless() const
    {
        return fmt::format(
            "{} cannot be kept, so nothing went: {} of indexes, pins, names and freezes have to "
            "stay; raise the quota, or drop snapshots (aptward snapshot drop)",
            human_size(allowed()), human_size(kept_bytes_of(plan_)));
    }

    std::string too_small(std::uint64_t target) const
    {
        if (options_.free_bytes)
            return fmt::format(
                "{} more would have to go from a full disk, but indexes, pins, names and freezes "
                "({}), what clients use ({}) and what was used within an hour stay: make room, or "
                "drop snapshots (aptward snapshot drop)",
                human_size(plan_.over_bytes), human_size(kept_bytes_of(plan_)),
                human_size(plan_.hot.bytes));
        return fmt::format(
            "{} cannot be kept: {}, and what was used within an hour; raise the quota, or drop "
            "snapshots (aptward snapshot drop)",
            human_size(target), what_stays(count_of(plan_)));
    }

    Services& services_;
    const EvictionSettings settings_;
    const std::uint64_t quota_bytes_, stored_before_;
    const Options options_;
    Jobs::Run& run_;
    Needs needs_;
    EvictionPlan plan_;
    std::uint64_t evicted_files_ = 0, evicted_bytes_ = 0;
};

}  // namespace

Result<QuotaCount> count_what_stays(Services& services, const FindArchive& find_archive,
                                    std::chrono::seconds hot_for,
                                    const std::function<bool()>& goes_on)
{
    const std::uint64_t stored_before = services.blobs.stored_bytes();
    Needs needs(services, remember(services, find_archive), goes_on);
    TRY_VOID(needs.find());
    QuotaCount count = count_of(plan_eviction(needs.files(), limits_at(system_now(), hot_for)));
    count.stored_before = stored_before;
    return count;
}

Jobs::Kind make_eviction(Services& services, FindArchive find_archive, EvictionSettings settings)
{
    Jobs::Kind kind;
    kind.unit = "bytes";
    kind.is_background = true;
    kind.node_gives_way = false;  // what was asked for may be less than the quota wants, or nothing
    kind.read_options = [](std::string_view request) -> Result<std::string> {
        const Json json = Json::parse(request, nullptr, false);
        if (!json.is_object())
            return fail(Errc::malformed, "a JSON object is wanted");
        Json options = Json::object();
        if (json.contains("dry_run") && !json["dry_run"].is_boolean())
            return fail(Errc::malformed, "dry_run is true or false");
        options["dry_run"] = json.value("dry_run", false);
        for (const char* key : {"to", "free"}) {
            if (json.contains(key) && !json[key].is_number_unsigned())
                return fail(Errc::malformed, std::string(key) + " is a number of bytes");
            if (json.contains(key))
                options[key] = json[key];
        }
        return options.dump();
    };
    kind.work = [&services, find_archive = std::move(find_archive), settings](Jobs::Run& run) {
        return EvictionRun(services, find_archive, settings, run).work();
    };
    return kind;
}

}  // namespace aptward::archive
