// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/repair.h"

#include <future>
#include <set>

#include "archive/mass_fetch.h"
#include "archive/remembered.h"
#include "base/log.h"
#include "http/blocking.h"

namespace aptward::archive {
namespace {

bool has_hash(const Digest& digest, const Digest& wanted)
{
    return digest.algorithm == wanted.algorithm && digest.hash == wanted.hash;
}

// What a generation calls these bytes; nothing when it does not name them.
std::optional<fetch::Want> find_want(const Archive& archive, const std::string& suite,
                                     const catalog::Generation& generation, const Digest& wanted)
{
    for (const auto& [path, file] : generation.release().files)
        for (const Digest& digest : file.digests)
            if (has_hash(digest, wanted))
                return archive.want_of(suite, generation, file);
    std::optional<fetch::Want> found;
    for (const auto& [base, table] : generation.tables()) {
        const auto read = table->each([&](std::string_view path, const Digest& digest) {
            if (found || !has_hash(digest, wanted))
                return;
            found = archive.want_of(digest);
            found->paths.push_back(http::encode_path(std::string(path)));
        });
        if (found || !read)
            break;
    }
    return found;
}

}  // namespace

Result<void> Repair::fetch(const std::shared_ptr<Archive>& archive, const fetch::Want& want)
{
    auto fetching = std::make_shared<MassFetch>(
        archive, services_.fetcher,
        MassFetch::Options{1, [want](std::size_t) { return want; }, nullptr});
    const auto make = [fetching] { return fetching->run(); };
    const auto done = http::block_on(services_.control, "repairing", make, goes_on_);
    if (!done)
        fetching->stop();
    TRY_VOID(done);
    if (!fetching->failures().empty())
        return tl::unexpected<Error>(fetching->failures().front().error);
    return {};
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
std::vector<Repair::Place> Repair::kept_ones()
{
    std::vector<Place> places;
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

Result<void> Repair::fetch(const std::string& hex)
{
    Result<void> outcome = fail(Errc::not_found, "no release that is served or kept names it");
    const auto wanted = parse_digest(hex, 0);
    if (!wanted || fetch_from(at_hand(), *wanted, outcome))
        return outcome;
    if (!kept_)
        kept_ = kept_ones();
    fetch_from(*kept_, *wanted, outcome);
    return outcome;
}

// True when there is nothing more to try.
bool Repair::fetch_from(const std::vector<Place>& places, const Digest& wanted,
                        Result<void>& outcome)
{
    std::set<const Archive*> tried;
    for (const Place& place : places) {
        if (tried.count(place.archive.get()) > 0)
            continue;  // another archive may have a source that has it
        auto want = find_want(*place.archive, place.suite, *place.generation, wanted);
        if (!want)
            continue;
        place.archive->want_elsewhere(*want, *place.generation);
        tried.insert(place.archive.get());
        outcome = fetch(place.archive, *want);
        if (outcome || !goes_on_())
            return true;
    }
    return false;
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
std::size_t Repair::fetch_missing_indexes()
{
    const Remembered remembered = remember(services_, [this](const auto& id) { return find(id); });
    std::size_t missing = 0;
    for (const auto& archive : archives_()) {
        const auto view = archive->view();
        for (const auto& [name, suite] : view->suites) {
            if (!suite.current)
                continue;
            std::set<std::string> bases;
            for (const auto& [base, table] : suite.current->tables())
                bases.insert(base);
            if (const auto known = remembered.suites.find({archive->settings().id, name});
                known != remembered.suites.end())
                for (const std::string& used : known->second.used)
                    bases.insert(std::string(deb::without_compression(used)));
            for (const std::string& base : bases)
                if (fetch_if_missing(archive, name, *suite.current, base))
                    ++missing;
        }
    }
    return missing;
}

bool Repair::fetch_if_missing(const std::shared_ptr<Archive>& archive, const std::string& suite,
                              const catalog::Generation& generation, const std::string& base)
{
    const deb::ListedFile* first = nullptr;
    for (const char* suffix : {".xz", ".zst", ".gz", ".bz2", ".lzma", ""}) {
        const deb::ListedFile* file = generation.release().find(base + suffix);
        if (file != nullptr && archive->may_use(file->digests.front()))
            return false;
        first = first == nullptr ? file : first;
    }
    if (first == nullptr || !goes_on_())
        return false;
    const auto ignored = fetch(archive, archive->want_of(suite, generation, *first));
    return true;
}

std::shared_ptr<Archive> Repair::find(const std::string& id) const
{
    for (const auto& archive : archives_())
        if (archive->settings().id == id)
            return archive;
    return nullptr;
}

}  // namespace aptward::archive
