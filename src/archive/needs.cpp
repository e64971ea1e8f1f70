// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/needs.h"

#include <fmt/format.h>

#include <algorithm>

#include "archive/blob_service.h"
#include "archive/index_table.h"
#include "archive/suite.h"

namespace aptward::archive {
namespace {

constexpr std::size_t kAskEvery = 4096;  // entries of a table

template <class Named>
bool by_key(const Named& a, const Named& b)
{
    return a.key < b.key;
}

}  // namespace

Result<void> Needs::find()
{
    TRY_VOID(walk_files());
    TRY_VOID(walk_releases([this](const Place& place) { return mark(place); }));
    if (!unread_.empty())
        for (HeldFile& file : files_)
            file.need = file.need == Need::nobody ? Need::current : file.need;
    return {};
}

// The second names come first: what they are names of is told by the file alone.
Result<void> Needs::walk_files()
{
    struct Second {
        std::uint64_t file;
        std::array<std::uint8_t, 16> key;
    };
    std::vector<Second> seconds;
    struct Pair {
        std::array<std::uint8_t, 16> second, first;
    };
    std::vector<Pair> pairs;
    const auto by_file = [](const Second& a, const Second& b) { return a.file < b.file; };
    files_.reserve(services_.blobs.estimate());
    std::size_t seen = 0;
    TRY_VOID(services_.blobs.each([&](const store::Blobs::Entry& entry) {
        const auto key = key_of(entry.digest);
        if (entry.digest.algorithm == HashAlgorithm::sha512) {
            seconds.push_back({entry.file, key});
        } else {
            if (files_.empty())
                std::sort(seconds.begin(), seconds.end(), by_file);
            files_.push_back(
                {key, entry.digest.size_bytes,
                 static_cast<std::uint32_t>(
                     std::clamp<std::int64_t>(to_unix(entry.used), 0, UINT32_MAX)),
                 Need::nobody,
                 services_.blob_service != nullptr && services_.blob_service->has(entry.digest)});
            const auto second =
                std::lower_bound(seconds.begin(), seconds.end(), Second{entry.file, {}}, by_file);
            if (second != seconds.end() && second->file == entry.file)
                pairs.push_back({second->key, key});
        }
        return ++seen % kAskEvery != 0 || goes_on_();
    }));
    if (!goes_on_())
        return fail(Errc::stale, "told to stop");
    std::sort(files_.begin(), files_.end(), by_key<HeldFile>);
    for (const Pair& pair : pairs)
        if (const auto number = number_of_key(pair.first))
            sha512_names_.push_back({pair.second, static_cast<std::uint32_t>(*number)});
    std::sort(sha512_names_.begin(), sha512_names_.end(), by_key<SecondName>);
    return {};
}

std::optional<std::size_t> Needs::number_of_key(const std::array<std::uint8_t, 16>& key) const
{
    const auto found =
        std::lower_bound(files_.begin(), files_.end(), HeldFile{key, 0, 0, {}}, by_key<HeldFile>);
    if (found == files_.end() || found->key != key)
        return std::nullopt;
    return static_cast<std::size_t>(found - files_.begin());
}

std::optional<std::size_t> Needs::number_of(const Digest& digest) const
{
    const auto key = key_of(digest);
    if (digest.algorithm == HashAlgorithm::sha256)
        return number_of_key(key);
    const auto found = std::lower_bound(sha512_names_.begin(), sha512_names_.end(),
                                        SecondName{key, 0}, by_key<SecondName>);
    if (found == sha512_names_.end() || found->key != key)
        return std::nullopt;
    return found->number;
}

Result<void> Needs::walk_releases(const Visit& visit)
{
    for (const auto& [key, suite] : remembered_.suites) {
        const std::set<std::string> journalled = suite.releases();
        catalog::Timeline all = suite.from_hosts;  // those at hand come last
        all.insert(all.end(), suite.timeline.begin(), suite.timeline.end());
        for (auto published = all.rbegin(); published != all.rend(); ++published) {
            if (!goes_on_())
                return fail(Errc::stale, "told to stop");
            auto generation = catalog::recall_generation(services_.releases, published->release,
                                                         journalled, published->signers);
            const Need need = need_of(remembered_, key.first, suite, *published, system_now());
            // One that is gone or damaged can be nobody's present any more; a pin of it can be
            // dropped. What a disk does not give now is known later.
            if (!generation && need == Need::past && generation.error().code() != Errc::storage)
                continue;
            if (!generation)
                return fail(Errc::storage,
                            fmt::format("nothing goes, because what the release {} of {} {} needs "
                                        "cannot be read: {}{}",
                                        published->release.substr(0, 12), key.first, key.second,
                                        generation.error().message(),
                                        need == Need::kept ? "; aptward snapshot drop gives it up"
                                                           : "; aptward scrub writes it again"));
            Place place{
                key.first, key.second, std::move(*generation),
                need,      suite.used, need != Need::past && published->release == suite.current()};
            place.generation = catalog::with_tables(place.generation, services_.tables);
            // Those at hand are answered from their tables, those of before build theirs again.
            const bool is_at_hand =
                published - all.rbegin() <= static_cast<std::ptrdiff_t>(kRecentKept);
            if (place.need != Need::past)
                TRY_VOID(build_missing_tables(place));
            if (place.need != Need::past || is_at_hand)
                note_tables(*place.generation);
            TRY_VOID(visit(place));
        }
    }
    return {};
}

// Without its table nobody would know what an index names, and all of that would go.
Result<void> Needs::build_missing_tables(Place& place)
{
    const deb::Release& release = place.generation->release();
    for (const std::string& used : place.used) {
        const std::string base(deb::without_compression(used));
        if (!catalog::is_tabled(used) || place.generation->tables().count(base) > 0)
            continue;
        std::string failure;
        bool is_listed = false, is_held = false;
        for (const char* suffix : {".gz", ".zst", ".xz", ".bz2", ".lzma", ""}) {
            const deb::ListedFile* file = release.find(base + suffix);
            if (file == nullptr)
                continue;
            is_listed = true;
            const auto built = build_table_of(release, *file);
            if (!built && built.error().code() == Errc::not_found)
                continue;
            is_held = true;
            failure = built ? "" : built.error().message();
            if (built)
                break;
        }
        if (!failure.empty())
            return fail(Errc::storage,
                        "nothing goes, because what " + base + " names cannot be read: " + failure);
        // Lost, or listed and published by nobody. Of an earlier release it may never have been
        // held: clients came to use it since.
        if (place.is_current && is_listed && !is_held)
            unread_.insert(fmt::format("{} of {} {}", base, place.archive, place.suite));
    }
    place.generation = catalog::with_tables(place.generation, services_.tables);
    return {};
}

// Fails with not_found when the index is not held.
Result<void> Needs::build_table_of(const deb::Release& release, const deb::ListedFile& file)
{
    TRY(const Fd packed, services_.blobs.read(file.digests.front()));
    const auto target = services_.tables / catalog::table_name(release, file);
    std::error_code ignored;
    std::filesystem::remove(target, ignored);  // one that cannot be read
    return build_table(packed, packed_index(release, file), target, services_.workers);
}

void Needs::note_tables(const catalog::Generation& generation)
{
    const deb::Release& release = generation.release();
    for (const auto& [path, file] : release.files)
        if (generation.tables().count(std::string(deb::without_compression(path))) > 0)
            tables_.insert(catalog::table_name(release, file));
}

void Needs::mark(const Digest& digest, Need need)
{
    if (const auto number = number_of(digest))
        files_[*number].need = std::max(files_[*number].need, need);
}

Result<void> Needs::mark(const Place& place)
{
    // Without its indexes a release is not served at all.
    const Need of_indexes = place.need == Need::current ? Need::kept : place.need;
    for (const auto& [path, file] : place.generation->release().files)
        for (const Digest& digest : file.digests)
            mark(digest, of_indexes);
    for (const auto& [base, table] : place.generation->tables())
        TRY_VOID(
            table->each([&](std::string_view, const Digest& digest) { mark(digest, place.need); }));
    return {};
}

Result<std::unordered_map<std::size_t, std::string>> Needs::names(
    const std::set<std::size_t>& numbers)
{
    std::unordered_map<std::size_t, std::string> names;
    if (numbers.empty())
        return names;
    const auto note = [&](const Digest& digest, const Place& place, std::string_view path) {
        const auto number = number_of(digest);
        if (number && numbers.count(*number) > 0)
            names.emplace(*number, fmt::format("{} of {} {}", path, place.archive, place.suite));
    };
    const auto visit = [&](const Place& place) -> Result<void> {
        for (const auto& [path, file] : place.generation->release().files)
            for (const Digest& digest : file.digests)
                note(digest, place, path);
        for (const auto& [base, table] : place.generation->tables())
            TRY_VOID(table->each(
                [&](std::string_view path, const Digest& digest) { note(digest, place, path); }));
        return {};
    };
    TRY_VOID(walk_releases(visit));
    return names;
}

}  // namespace aptward::archive
