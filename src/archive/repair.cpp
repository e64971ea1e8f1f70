// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/repair.h"

#include <fmt/format.h>

#include <future>

#include "archive/mass_fetch.h"
#include "base/log.h"
#include "http/blocking.h"

namespace aptward::archive {
namespace {

constexpr std::size_t kMostSilent = 20;  // guess

bool has_hash(const Digest& digest, const Digest& wanted)
{
    return digest.algorithm == wanted.algorithm && digest.hash == wanted.hash;
}

}  // namespace

Repair::Named Repair::named_by(const Place& place, std::string_view path, const Digest& digest)
{
    return {place.archive->want_of_pool(digest, path), std::string(path)};
}

// What a generation calls these bytes; nothing when it does not name them.
std::optional<Repair::Named> Repair::find_named(const Place& place, const Digest& wanted)
{
    for (const auto& [path, file] : place.generation->release().files)
        for (const Digest& digest : file.digests)
            if (has_hash(digest, wanted))
                return Named{place.archive->want_of(place.suite, *place.generation, file), path};
    std::optional<Named> found;
    for (const auto& [base, table] : place.generation->tables()) {
        const auto read = table->each([&](std::string_view path, const Digest& digest) {
            if (!found && has_hash(digest, wanted))
                found = named_by(place, path, digest);
        });
        if (found || !read)
            break;
    }
    return found;
}

std::string Repair::name_of(const Place& place, const Named& named)
{
    return fmt::format("{} of {} {}", named.path, place.archive->settings().id, place.suite);
}

// Where no source answers, the files after the first ones need not wait for each of them.
Result<void> Repair::fetch(const std::shared_ptr<Archive>& archive, const fetch::Want& want)
{
    tried_.insert(want.digest.hex());
    std::size_t& silent = silent_in_a_row_[archive.get()];
    if (silent >= kMostSilent)
        return fail(Errc::unavailable, "no source answers");
    auto fetching = std::make_shared<MassFetch>(
        archive, services_.fetcher,
        MassFetch::Options{1, [want](std::size_t) { return want; }, nullptr});
    const auto make = [fetching] { return fetching->run(); };
    const auto done = http::block_on(services_.control, "repairing", make, goes_on_);
    if (!done)
        fetching->stop();
    TRY_VOID(done);
    if (fetching->failures().empty()) {
        silent = 0;
        return {};
    }
    const Error& error = fetching->failures().front().error;
    silent = error.code() == Errc::unavailable ? silent + 1 : 0;
    return tl::unexpected<Error>(error);
}

std::vector<Repair::Place> Repair::at_hand() const
{
    std::vector<Place> places;
    for (const auto& archive : archives_()) {
        const auto view = archive->view();
        for (const auto& [name, suite] : view->suites) {
            if (suite.current)
                places.push_back({archive, name, suite.current});
            for (const catalog::GenerationPtr& recent : suite.recent)
                places.push_back({archive, name, recent});
        }
    }
    return places;
}

// What rings, pins, names and freezes have may be far behind those at hand.
const std::vector<Repair::Place>& Repair::kept_ones()
{
    if (kept_)
        return *kept_;
    std::vector<Place>& places = kept_.emplace();
    const Remembered remembered = remember(services_, [this](const auto& id) { return find(id); });
    for (const auto& [key, suite] : remembered.suites) {
        const auto archive = find(key.first);
        catalog::Timeline all = suite.timeline;
        all.insert(all.end(), suite.from_hosts.begin(), suite.from_hosts.end());
        for (const catalog::Published& published : all) {
            if (!archive || !goes_on_() ||
                need_of(remembered, key.first, suite, published, system_now()) == Need::past)
                continue;
            auto generation = catalog::recall_generation(services_.releases, published.release,
                                                         suite.releases(), published.signers);
            if (generation)
                places.push_back(
                    {archive, key.second, catalog::with_tables(*generation, services_.tables)});
        }
    }
    return places;
}

std::optional<Repair::Outcome> Repair::fetch(const Digest& hash_only)
{
    std::optional<Outcome> outcome;
    if (!fetch_from(at_hand(), hash_only, outcome))
        fetch_from(kept_ones(), hash_only, outcome);
    return outcome;
}

// True when there is nothing more to try.
bool Repair::fetch_from(const std::vector<Place>& places, const Digest& wanted,
                        std::optional<Outcome>& outcome)
{
    std::set<const Archive*> tried;
    for (const Place& place : places) {
        if (tried.count(place.archive.get()) > 0)
            continue;  // another archive may have a source that has it
        auto named = find_named(place, wanted);
        if (!named)
            continue;
        place.archive->want_elsewhere(named->want, *place.generation);
        tried.insert(place.archive.get());
        outcome = Outcome{name_of(place, *named), fetch(place.archive, named->want)};
        if (outcome->fetched || !goes_on_())
            return true;
    }
    return false;
}

// Those of what a release names that nobody has used lately may have gone, or never came.
void Repair::fetch_missing_files(const FileKeys& wanted, const Tell& tell)
{
    for (const Place& place : kept_ones()) {
        std::vector<std::pair<std::string, Digest>> missing;
        for (const auto& [base, table] : place.generation->tables())
            // What cannot be read of a table is built again when it is asked for.
            static_cast<void>(table->each([&](std::string_view path, const Digest& digest) {
                if (wanted.holds(digest) && !services_.blobs.holds(digest) &&
                    tried_.count(digest.hex()) == 0)
                    missing.emplace_back(path, digest);
            }));
        for (const auto& [path, digest] : missing) {
            // Two indexes may name it, and it may have come meanwhile.
            if (!goes_on_() || tried_.count(digest.hex()) > 0 || services_.blobs.holds(digest))
                continue;
            Named named = named_by(place, path, digest);
            place.archive->want_elsewhere(named.want, *place.generation);
            tell({name_of(place, named), fetch(place.archive, named.want)});
        }
    }
}

std::vector<std::string> Repair::mend_releases()
{
    std::vector<std::string> damaged;
    for (const Place& place : at_hand()) {
        const catalog::Generation& generation = *place.generation;
        catalog::Releases::Stored right{
            generation.id(),       place.archive->settings().id,
            place.suite,           generation.origin_url(),
            generation.accepted(), generation.verified().signers().empty(),
            generation.files()};
        // Where those are put that are published meanwhile.
        std::promise<bool> promise;
        services_.state_thread.post([&] {
            const bool is_right = services_.releases.has(right);
            if (!is_right)
                if (const auto put = services_.releases.put(right); !put)
                    log_error("store.failed", {}, put.error().message());
            promise.set_value(is_right);
        });
        if (!promise.get_future().get())
            damaged.push_back(generation.id());
    }
    return damaged;
}

// Those of which there is a table, and those that clients use: a lost table says of no index that
// it is needed.
std::set<std::string> Repair::needed_indexes(const Place& place, const Remembered& remembered) const
{
    std::set<std::string> bases;
    for (const auto& [base, table] : place.generation->tables())
        bases.insert(base);
    if (const auto known = remembered.suites.find({place.archive->settings().id, place.suite});
        known != remembered.suites.end())
        for (const std::string& used : known->second.used)
            bases.insert(std::string(deb::without_compression(used)));
    return bases;
}

void Repair::fetch_missing_indexes(const Tell& tell)
{
    const Remembered remembered = remember(services_, [this](const auto& id) { return find(id); });
    for (const auto& archive : archives_()) {
        const auto view = archive->view();
        for (const auto& [name, suite] : view->suites) {
            if (!suite.current)
                continue;
            const Place place{archive, name, suite.current};
            for (const std::string& base : needed_indexes(place, remembered))
                fetch_if_missing(place, base, tell);
        }
    }
}

void Repair::fetch_if_missing(const Place& place, const std::string& base, const Tell& tell)
{
    const deb::ListedFile* first = nullptr;
    for (const char* suffix : {".xz", ".zst", ".gz", ".bz2", ".lzma", ""}) {
        const deb::ListedFile* file = place.generation->release().find(base + suffix);
        if (file != nullptr && place.archive->may_use(file->digests.front()))
            return;
        first = first == nullptr ? file : first;
    }
    if (first == nullptr || !goes_on_() || tried_.count(first->digests.front().hex()) > 0)
        return;
    const Named named{place.archive->want_of(place.suite, *place.generation, *first), first->path};
    const auto fetched = fetch(place.archive, named.want);
    // Listed, and published by nobody: clients asked for it and never got it.
    const bool was_never_there = !fetched && fetched.error().code() == Errc::not_found &&
                                 place.generation->tables().count(base) == 0;
    if (!was_never_there)
        tell({name_of(place, named), fetched});
}

std::shared_ptr<Archive> Repair::find(const std::string& id) const
{
    for (const auto& archive : archives_())
        if (archive->settings().id == id)
            return archive;
    return nullptr;
}

}  // namespace aptward::archive
