// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward drill --trace`: silence and service by turns, as they were recorded, but faster.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

#include "archive/drill.h"
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/drill_parts.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;
using Seconds = std::chrono::duration<double>;

// What became new is noticed within this; shorter moments of service are lengthened to it.
constexpr Seconds kLeastService{2};
constexpr std::chrono::seconds kMargin{120};  // for the last client of a silence
constexpr std::size_t kNewOfAMoment = 2;      // packages that are taken while there is service

/// What fresh clients got in all phases of a kind.
struct Tally {
    std::size_t clients = 0, good = 0, wanted = 0, got = 0;
    std::vector<std::string> why;

    void add(const ClientEnd& end)
    {
        ++clients;
        wanted += end.wanted;
        got += end.got;
        const bool is_good = end.has_updated && end.lacking.empty();
        good += is_good ? 1 : 0;
        if (!is_good && why.empty())
            why = end.why;
    }
};

Json to_json(const Tally& tally)
{
    return {{"clients", tally.clients},
            {"good", tally.good},
            {"packages", {{"got", tally.got}, {"of", tally.wanted}}},
            {"why", tally.why}};
}

double percent(std::size_t part, std::size_t whole)
{
    return whole == 0 ? 100 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

class Replay {
public:
    Replay(std::string admin, const archive::OutageTrace& trace, double speed,
           const DrillOptions& options)
        : admin_(std::move(admin)), trace_(trace), speed_(speed), options_(options)
    {
    }

    Result<void> run()
    {
        for (std::size_t i = 0; i < trace_.down.size(); ++i) {
            TRY_VOID(be_down(i));
            if (i < trace_.up.size())
                TRY_VOID(be_up(i));
        }
        return {};
    }

    bool is_good() const { return down_.good == down_.clients && news_.got == news_.wanted; }

    void print() const
    {
        const auto down = trace_.all_down(), all = down + trace_.all_up();
        if (options_.is_json) {
            fmt::print("{}\n", Json({{"trace", trace_.name},
                                     {"down_share", Seconds(down) / Seconds(all)},
                                     {"down", to_json(down_)},
                                     {"up", to_json(up_)},
                                     {"news", to_json(news_)},
                                     {"good", is_good()}})
                                   .dump(-1, ' ', false, Json::error_handler_t::replace));
            return;
        }
        fmt::print("\n{} min of {} down ({:.0f} %)\n", down.count(), all.count(),
                   100 * (Seconds(down) / Seconds(all)));
        print("while down", down_);
        print("while up", up_);
        if (news_.wanted == 0)
            fmt::print("{:<12} nothing was new in the moments of service\n", "news");
        else
            fmt::print(
                "{:<12} {} of {} packages that were new in a moment of service are there in the "
                "next silence\n",
                "news", news_.got, news_.wanted);
    }

private:
    Result<void> be_down(std::size_t number)
    {
        const Seconds length = Seconds(trace_.down[number]) / speed_;
        const auto limit = std::chrono::ceil<std::chrono::seconds>(length) + kMargin;
        if (limit > archive::kLongestDrill)
            return fail(Errc::malformed,
                        fmt::format("a silence of {} min is too long at this speed: use a higher "
                                    "--speed",
                                    trace_.down[number].count()));
        TRY(OrderedDrill drill, OrderedDrill::start(admin_, options_.archive, "refuse", "all",
                                                    options_.is_alone, limit.count()));
        tell("down", number, length);
        const SteadyTime end =
            steady_now() + std::chrono::duration_cast<SteadyTime::duration>(length);
        do {
            TRY(const DrillStock stock, ask());
            TRY(DrillClient client, DrillClient::make(stock));
            TRY(const ClientEnd held, client.get(stock.some_held));
            down_.add(held);
            TRY(const ClientEnd news, client.get(news_of_last_service_));
            news_.add(news);
        } while (steady_now() < end && !is_drill_interrupted());
        TRY_VOID(drill.end());
        return go_on();
    }

    Result<void> be_up(std::size_t number)
    {
        const Seconds length = std::max(Seconds(trace_.up[number]) / speed_, kLeastService);
        tell("up", number, length);
        news_of_last_service_.clear();
        const SteadyTime end =
            steady_now() + std::chrono::duration_cast<SteadyTime::duration>(length);
        do {
            TRY(DrillStock stock, ask());
            TRY(DrillClient client, DrillClient::make(stock));
            TRY(const ClientEnd held, client.get(stock.some_held));
            up_.add(held);
            TRY(stock, ask());
            stock.some_missing.resize(std::min(stock.some_missing.size(), kNewOfAMoment));
            if (stock.some_missing.empty())
                continue;
            TRY(const ClientEnd news, client.get(stock.some_missing));
            if (news.lacking.empty())
                news_of_last_service_ = stock.some_missing;
        } while (steady_now() < end && !is_drill_interrupted());
        return go_on();
    }

    Result<DrillStock> ask() const
    {
        return ask_stock(admin_, options_.archive, options_.packages, options_.address);
    }

    static Result<void> go_on()
    {
        if (is_drill_interrupted())
            return fail(Errc::stale, "interrupted: the drill is ended");
        return {};
    }

    void tell(const char* phase, std::size_t number, Seconds length) const
    {
        if (options_.is_json)
            fmt::print("{}\n",
                       Json({{"phase", phase}, {"number", number + 1}, {"seconds", length.count()}})
                           .dump());
        else
            fmt::print("{:<5} {:>2} of {}, {:.1f} s\n", phase, number + 1, trace_.down.size(),
                       length.count());
        std::fflush(stdout);
    }

    static void print(const char* what, const Tally& tally)
    {
        fmt::print("{:<12} {:.0f} % of {} fresh clients got all, {:.0f} % of {} packages\n", what,
                   percent(tally.good, tally.clients), tally.clients,
                   percent(tally.got, tally.wanted), tally.wanted);
        for (const std::string& line : tally.why)
            fmt::print("  {}\n", line);
    }

    const std::string admin_;
    const archive::OutageTrace& trace_;
    const double speed_;
    const DrillOptions& options_;
    std::vector<DrillPackage> news_of_last_service_;
    Tally down_, up_, news_;
};

}  // namespace

int replay(const std::string& admin, const archive::OutageTrace& trace, double speed,
           const DrillOptions& options)
{
    Replay replay(admin, trace, speed, options);
    if (const auto done = replay.run(); !done) {
        std::fprintf(stderr, "aptward: %s\n", done.error().message().c_str());
        return done.error().code() == Errc::malformed ? kUsage : kUnknown;
    }
    replay.print();
    return replay.is_good() ? kOk : kNo;
}

}  // namespace aptward::cli
