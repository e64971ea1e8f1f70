// SPDX-License-Identifier: GPL-3.0-or-later
// The tables of a generation: each index fetched by digest, unpacked, checked, written.
//
// Unpacking xz is nine tenths of an adoption, gz takes a tenth of that. Where the release lists the
// same text as gz as well, the table is built from that while the form that clients use arrives;
// docs/decisions/0012-adoption.md has when. It is a shortcut: whatever goes wrong with it costs
// time, and then the clients' form is unpacked.
#include <algorithm>
#include <tuple>

#include "archive/index_table.h"
#include "archive/suite.h"
#include "base/check.h"

namespace aptward::archive {
namespace {

using catalog::table_name;
using fetch::Flight;

constexpr std::chrono::minutes kIndexLimit{5};
constexpr std::chrono::seconds kLikelyLimit{2};
constexpr std::chrono::hours kShortcutAgain{24};       // mirrors do not change their forms often
constexpr double kXzRate = 15e6;                       // packed bytes/s through liblzma, measured
constexpr std::uint64_t kWorthAShortcut = 512 * 1024;  // some 35 ms of xz

// The listed file with the same text that unpacks ten times as fast; null when there is none.
// Both stand in one signed release, which lists the text itself too: so both are checked alike.
const deb::ListedFile* find_shortcut(const deb::Release& release, const deb::ListedFile& file)
{
    switch (deb::compression_of(file.path)) {
        case deb::Compression::none:
        case deb::Compression::gz:
        case deb::Compression::zst:
            return nullptr;
        case deb::Compression::xz:
        case deb::Compression::bz2:
        case deb::Compression::lzma:
            break;
    }
    const std::string base(deb::without_compression(file.path));
    if (file.digests.front().size_bytes < kWorthAShortcut || release.find(base) == nullptr)
        return nullptr;
    return release.find(base + ".gz");
}

std::chrono::milliseconds xz_time(std::uint64_t packed_bytes)
{
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(static_cast<double>(packed_bytes) * 1000 / kXzRate));
}

// The index that a client most likely asks for: of the release's main component, for machines like
// this one. Without its compression; empty when there is none.
std::string likely_index(const deb::Release& release, const std::string& native)
{
    std::tuple<bool, bool, std::string> best(true, true, "");
    for (const auto& [path, file] : release.files) {
        const deb::IndexName index = deb::classify_index(path);
        if (index.kind != deb::IndexKind::packages)
            continue;
        std::tuple<bool, bool, std::string> rank(index.architecture != native,
                                                 index.component != "main", index.base);
        if (std::get<2>(best).empty() || rank < best)
            best = std::move(rank);
    }
    return std::get<2>(best);
}

// Returns when the flight is so far; no flight is as far as can be.
http::Task<void> reach(std::shared_ptr<Flight> flight, Flight::Phase phase, SteadyTime deadline)
{
    if (flight == nullptr)
        co_return Result<void>();
    auto signal = co_await http::make_signal();
    flight->follow(signal);
    while (flight->phase() < phase) {
        const bool is_in_time = co_await signal->wait_until(deadline);
        if (!is_in_time)
            co_return fail(Errc::unavailable, "not complete in time");
    }
    if (flight->phase() == Flight::Phase::failed)
        co_return tl::unexpected<Error>(*flight->error());
    co_return Result<void>();
}

}  // namespace

fetch::Want Suite::want_of(const catalog::Generation& generation, const deb::ListedFile& file) const
{
    fetch::Want want = archive_.want_of(name_, generation, file);
    want.is_read_whole = true;
    return want;
}

// What a suite needs is known from its clients and from the configuration. Before that a mirror in
// the middle of a sync would be believed, although another one is whole: one index tells them
// apart. It is read early, not in vain: its table waits for the first client that asks for it,
// which makes it needed. Other bytes under its names are a sign of such a mirror; a slow answer, or
// none, is not. One that came and cannot be read holds the release as well.
http::Task<void> Suite::look_at_likely_index(const catalog::Generation& generation)
{
    const std::string likely = likely_index(generation.release(), services_.architecture);
    const auto path = listed_form(generation.release(), likely);
    if (!path)
        co_return Result<void>();
    const FlightPtr flight = start_flight(want_of(generation, *generation.release().find(*path)));
    auto looked = co_await reach(flight, Flight::Phase::verified, steady_now() + kLikelyLimit);
    const bool shows_another = !looked && flight->phase() == Flight::Phase::failed &&
                               flight->error()->code() == Errc::untrusted;
    if (!looked && !shows_another)
        co_return Result<void>();
    if (looked) {
        const auto table = co_await table_of(generation, *path);
        if (table)
            co_return Result<void>();
        looked = tl::unexpected<Error>(table.error());
    }
    if (is_overdue(*path, archive_.settings_.optional_wait))
        co_return Result<void>();
    co_return tl::unexpected<Error>(Error(looked.error()).within(*path));
}

// Null when the bytes are held.
Suite::FlightPtr Suite::start_flight(fetch::Want want)
{
    if (archive_.may_use(want.digest))
        return nullptr;
    return services_.fetcher.fetch(std::move(want));
}

// What a generation needs is shown only when it is stored.
http::Task<void> Suite::be_stored(FlightPtr flight, Digest digest)
{
    const auto reached = co_await reach(flight, Flight::Phase::stored, steady_now() + kIndexLimit);
    if (!reached)
        co_return reached;
    if (!archive_.may_use(digest))
        co_return fail(Errc::storage, "it came, but could not be stored");
    co_return Result<void>();
}

http::Task<void> Suite::fetch_blob(fetch::Want want)
{
    const Digest digest = want.digest;
    const FlightPtr flight = start_flight(std::move(want));
    co_return co_await be_stored(flight, digest);
}

http::Task<void> Suite::build_from(const catalog::Generation& generation,
                                   const deb::ListedFile& file, FlightPtr flight)
{
    const auto target = services_.tables / table_name(generation.release(), file);
    auto build = [this, flight, index = packed_index(generation.release(), file),
                  target]() -> Result<void> {
        if (flight != nullptr)
            return build_table(*flight->file(), index, target, services_.workers);
        TRY(const Fd blob, services_.blobs.read(index.digest));
        auto built = build_table(blob, index, target, services_.workers);
        if (!built)  // a damaged one is fetched again
            TRY_VOID(services_.blobs.recheck(index.digest));
        return built;
    };
    co_return co_await http::on_worker(services_.workers, std::move(build));
}

// True when the line brings it in less time than the other one takes to unpack.
http::Async<bool> Suite::is_worth_fetching(const deb::ListedFile& shortcut,
                                           const deb::ListedFile& file)
{
    const auto size = static_cast<double>(shortcut.digests.front().size_bytes);
    const auto saved = xz_time(file.digests.front().size_bytes);
    const auto reports = co_await services_.fetcher.report(archive_.asked());
    double rate = 0;
    for (const fetch::SourceReport& report : reports)
        if (!report.is_open && report.failures_in_a_row == 0)
            rate = std::max(rate, report.rate_bytes_per_s);
    const double meanwhile = rate * static_cast<double>(saved.count()) / 1000;
    co_return size < meanwhile;
}

http::Async<bool> Suite::build_by_shortcut(const catalog::Generation& generation,
                                           const deb::ListedFile& file, FlightPtr flight)
{
    const deb::ListedFile* shortcut = find_shortcut(generation.release(), file);
    const std::string base(deb::without_compression(file.path));
    if (shortcut == nullptr || steady_now() < no_shortcut_[base])
        co_return false;
    FlightPtr detour;
    if (!archive_.may_use(shortcut->digests.front())) {
        bool is_worth_it = co_await is_worth_fetching(*shortcut, file);
        if (!is_worth_it && flight != nullptr) {
            // Nobody knew the sources yet, or they were slow: now they have shown their rate.
            const auto arrived =
                co_await reach(flight, Flight::Phase::verified, steady_now() + kIndexLimit);
            if (!arrived)
                co_return false;
            is_worth_it = co_await is_worth_fetching(*shortcut, file);
        }
        if (!is_worth_it)
            co_return false;
        fetch::Want want = want_of(generation, *shortcut);
        want.is_kept = false;
        detour = services_.fetcher.fetch(std::move(want));
    }
    // Later than this, the other form would have been unpacked meanwhile.
    const SteadyTime deadline = steady_now() + xz_time(file.digests.front().size_bytes);
    auto built = co_await reach(detour, Flight::Phase::verified, deadline);
    if (built) {
        built = co_await build_from(generation, *shortcut, detour);
    }
    if (built)
        co_return true;
    no_shortcut_[base] = steady_now() + kShortcutAgain;
    event(
        "index.shortcut", "",
        shortcut->path + ": " + built.error().message() + "; " + file.path + " is unpacked instead",
        generation.id());
    co_return false;
}

http::Task<std::shared_ptr<const catalog::Table>> Suite::table_of(
    const catalog::Generation& generation, std::string path)
{
    const deb::ListedFile* file = generation.release().find(path);
    CHECK(file != nullptr, "only listed indexes are adopted");
    const auto target = services_.tables / table_name(generation.release(), *file);
    auto open = [target] { return catalog::Table::open(target); };
    auto table = co_await http::on_worker(services_.workers, open);
    if (table)
        co_return std::move(*table);
    std::error_code ignored;
    if (table.error().code() != Errc::not_found) {
        event("table.damaged", "", table.error().message() + "; it is built again",
              generation.id());
        std::filesystem::remove(target, ignored);
    }
    FlightPtr flight = start_flight(want_of(generation, *file));
    const bool is_built = co_await build_by_shortcut(generation, *file, flight);
    if (!is_built) {
        auto built = co_await reach(flight, Flight::Phase::verified, steady_now() + kIndexLimit);
        if (built) {
            built = co_await build_from(generation, *file, flight);
        }
        if (!built && flight == nullptr) {
            flight = start_flight(want_of(generation, *file));
            if (flight != nullptr) {  // what was held was damaged
                built = co_await reach(flight, Flight::Phase::verified, steady_now() + kIndexLimit);
            }
            if (flight != nullptr && built) {
                built = co_await build_from(generation, *file, flight);
            }
        }
        if (!built)
            co_return tl::unexpected<Error>(built.error());
    }
    const auto stored = co_await be_stored(flight, file->digests.front());
    if (!stored)
        co_return tl::unexpected<Error>(stored.error());
    co_return co_await http::on_worker(services_.workers, open);
}

// The current generation's are built again; earlier ones serve what their tables still hold.
http::Async<void> Suite::mend_tables()
{
    auto step = [this] { return mend_in_turn(); };
    co_await in_turn(turns_, std::move(step));
}

http::Async<void> Suite::mend_in_turn()
{
    if (!view_.current)
        co_return;
    for (catalog::GenerationPtr& recent : view_.recent) {
        const catalog::GenerationPtr whole = recent;
        for (const auto& [base, table] : whole->tables())
            if (table->is_broken())
                recent = recent->with_table(base, nullptr);
    }
    const catalog::GenerationPtr whole = view_.current;
    for (const auto& [base, table] : whole->tables()) {
        if (!table->is_broken())
            continue;
        const auto path = listed_form(whole->release(), base);
        CHECK(path.has_value(), "every table is of a listed index");
        event("table.unreadable", "", base + ": its table could not be read; it is built again",
              whole->id());
        std::error_code ignored;
        std::filesystem::remove(
            services_.tables / table_name(whole->release(), *whole->release().find(*path)),
            ignored);
        auto again = co_await table_of(*whole, *path);
        if (again) {
            view_.current = view_.current->with_table(base, *again);
        } else {
            event("index.refused", "", *path + ": " + again.error().message(), whole->id());
        }
    }
    archive_.publish_view(name_, view_);
}

}  // namespace aptward::archive
