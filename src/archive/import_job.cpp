// SPDX-License-Identifier: GPL-3.0-or-later
// The steps of an import of foreign stock, on the jobs' thread:
//
//     list the folder; judge the releases in it                     nothing is changed so far
//     files as large as a listed index: those that hash right are stored, and read into tables
//     files as large as what these tables and all others list: those that hash right are stored
//
// A file of a size that nothing lists is never opened. One whose listed bytes are held already, as
// its name says, is not read: so the second import of a folder costs a walk.
#include "archive/import_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "archive/import_releases.h"
#include "archive/import_report.h"
#include "archive/import_store.h"
#include "archive/offered.h"
#include "archive/unknown_archive.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;
using Outcome = Offered::Outcome;
using ArchivePtr = std::shared_ptr<Archive>;

constexpr std::chrono::milliseconds kTellEvery{200};

/// What was asked for.
struct Options {
    std::string folder;
    std::string archive;  ///< Empty: any.
};

Result<Options> read_options(std::string_view text)
{
    const Json parsed = Json::parse(text, nullptr, false);
    const Json json = parsed.is_object() ? parsed : Json::object();
    const Json folder = json.value("folder", Json()), archive = json.value("archive", Json(""));
    if (!folder.is_string() || !folder.get_ref<const std::string&>().starts_with('/') ||
        !archive.is_string())
        return fail(Errc::malformed,
                    "folder (an absolute path on the node's machine) is wanted, archive (its id) "
                    "may be given");
    return Options{folder.get<std::string>(), archive.get<std::string>()};
}

Result<std::vector<ArchivePtr>> choose_archives(const ServedArchives& served,
                                                const std::string& chosen)
{
    auto archives = served();
    if (!chosen.empty())
        std::erase_if(archives, [&](const auto& one) { return one->settings().id != chosen; });
    if (archives.empty())
        return fail(Errc::not_found,
                    chosen.empty() ? "this node serves no archive" : unknown_archive(chosen));
    return archives;
}

std::string_view file_name(std::string_view path)
{
    return path.substr(path.rfind('/') + 1);
}

/// One import.
class Import {
public:
    Import(Services& services, const ServedArchives& served, const RoomSettings& room,
           Jobs::Run& run)
        : services_(services),
          served_(served),
          run_(run),
          room_(services, room),
          store_(services, room_)
    {
    }

    Result<Jobs::End> work()
    {
        auto looked = look();
        if (!run_.goes_on())
            return Jobs::End{false, "told to stop before anything was changed"};
        if (!looked)
            return fail(looked.error().code(), looked.error().message() + "; nothing was imported");
        auto taken = take_in();
        settle_counts();
        if (!run_.goes_on())
            return Jobs::End{false, "told to stop; what was stored so far is proven and stays"};
        if (!taken)
            return fail(taken.error().code(), folder_name() + ": " + taken.error().message() +
                                                  "; what was stored so far is proven and stays, "
                                                  "the same import does the rest");
        tell_all();
        return Jobs::End{true, to_text(report_)};
    }

private:
    Result<void> look()
    {
        TRY(const Options options, read_options(run_.record().options));
        TRY(archives_, choose_archives(served_, options.archive));
        TRY(auto folder, StockFolder::open(options.folder));
        folder_.emplace(std::move(folder));
        auto listing = folder_->list([this] { return run_.goes_on(); });
        if (!listing)
            return tl::unexpected<Error>(std::move(listing).error().within(folder_name()));
        listing_ = std::move(*listing);
        fates_.assign(listing_.files.size(), StockFate::unnamed);
        const ReleaseSearch search{*folder_, listing_, archives_, !options.archive.empty(),
                                   origin()};
        TRY(releases_, find_releases(services_, run_, search));
        return room_.look([this] { return run_.goes_on(); });
    }

    Result<void> take_in()
    {
        TRY_VOID(store_indexes());
        for (FoundRelease& release : releases_)
            if (is_taken(release))
                TRY_VOID(offer(services_, run_, release.handed, origin()));
        TRY_VOID(read_served_indexes());
        for (const ArchivePtr& archive : archives_)
            TRY_VOID(want_packages(*archive));
        TRY_VOID(read_wanted());
        return store_.flush();
    }

    // What of an older one is still listed is found out like all the rest.
    static bool is_taken(const FoundRelease& found)
    {
        return found.handed.archive != nullptr && found.handed.offered.outcome != Outcome::older;
    }

    // Of the releases that were found, and of those that are served: the found one may be older.
    Result<void> store_indexes()
    {
        note_sizes();
        for (const FoundRelease& found : releases_) {
            if (!is_taken(found))
                continue;
            TRY(const deb::Release release, read_release(found.handed.files));
            want_listed(release, *found.handed.archive);
        }
        for (const ArchivePtr& archive : archives_)
            for (const catalog::GenerationPtr& generation : generations_of(*archive->view()))
                want_listed(generation->release(), *archive);
        TRY_VOID(read_wanted());
        TRY_VOID(store_.flush());
        for (FoundRelease& found : releases_)
            if (is_taken(found)) {
                TRY(const deb::Release release, read_release(found.handed.files));
                found.handed.indexes = indexes_here(release);
            }
        return {};
    }

    void want_listed(const deb::Release& release, const Archive& archive)
    {
        for (const auto& [path, file] : release.files)
            if (!is_patch(path))
                want(file.digests.front(), archive);
    }

    // Those that list packages, in one form of each, as apt would choose: from now on releases are
    // shown only with them.
    std::vector<std::string> indexes_here(const deb::Release& release) const
    {
        std::map<std::string, std::string> best;
        for (const char* suffix : {"", ".lzma", ".bz2", ".gz", ".zst", ".xz"})
            for (const auto& [path, file] : release.files)
                if (catalog::is_tabled(path) && store_.has_proven(file.digests.front()) &&
                    path == std::string(deb::without_compression(path)) + suffix)
                    best[std::string(deb::without_compression(path))] = path;
        std::vector<std::string> indexes;
        for (auto& [base, path] : best)
            indexes.push_back(std::move(path));
        return indexes;
    }

    // The folder may have the indexes of a release that came from a source, and not that itself.
    Result<void> read_served_indexes()
    {
        for (const ArchivePtr& archive : archives_) {
            const auto view = archive->view();
            for (const auto& [name, suite] : view->suites) {
                if (!suite.current)
                    continue;
                HandedIn served{archive, name, suite.current->files(),
                                indexes_here(suite.current->release())};
                if (!served.indexes.empty())
                    TRY_VOID(offer(services_, run_, served, origin()));
            }
        }
        return {};
    }

    Result<void> want_packages(const Archive& archive)
    {
        for (const catalog::GenerationPtr& generation : generations_of(*archive.view()))
            for (const auto& [base, table] : generation->tables()) {
                if (!run_.goes_on())
                    return fail(Errc::stale, "it was told to stop");
                TRY_VOID(table->each([&](std::string_view path, const Digest& digest) {
                    compare_names(path, digest, archive);
                    want(digest, archive);
                }));
            }
        return {};
    }

    // Files of this name that are surely of no use.
    void compare_names(std::string_view path, const Digest& digest, const Archive& archive)
    {
        const auto range =
            std::equal_range(names_.begin(), names_.end(), Named{file_name(path), 0},
                             [](const Named& a, const Named& b) { return a.name < b.name; });
        for (auto named = range.first; named != range.second; ++named) {
            StockFate& fate = fates_[named->file];
            const bool is_open = fate == StockFate::unnamed || fate == StockFate::differs;
            if (!is_open)
                continue;
            fate = StockFate::differs;  // until its hash says something better
            const bool fits = listing_.files[named->file].size_bytes == digest.size_bytes;
            if (fits && keeping_of(services_, archive.settings(), {digest}) != Keeping::wanted)
                fate = StockFate::held;
        }
    }

    // By size, and by name: most of what is listed is neither.
    void note_sizes()
    {
        for (std::size_t i = 0; i < listing_.files.size(); ++i) {
            sizes_.insert(listing_.files[i].size_bytes);
            names_.push_back({file_name(listing_.files[i].path), i});
        }
        for (const StockListing::Twin& twin : listing_.twins)
            names_.push_back({file_name(twin.path), twin.file});
        std::sort(names_.begin(), names_.end(),
                  [](const Named& a, const Named& b) { return a.name < b.name; });
    }

    void want(const Digest& digest, const Archive& archive)
    {
        if (sizes_.count(digest.size_bytes) == 0)
            return;
        const auto [entry, is_new] = wanted_.try_emplace(digest, &archive.settings());
        // What one archive gives to everybody is no other one's secret.
        if (!is_new && !archive.settings().is_private)
            entry->second = &archive.settings();
    }

    Result<void> read_wanted()
    {
        std::unordered_set<std::uint64_t> sizes;
        bool has_sha512 = false;
        for (const auto& [digest, settings] : wanted_) {
            sizes.insert(digest.size_bytes);
            has_sha512 = has_sha512 || digest.algorithm == HashAlgorithm::sha512;
        }
        std::vector<std::size_t> numbers;
        for (std::size_t i = 0; i < listing_.files.size(); ++i) {
            const bool is_open = fates_[i] == StockFate::unnamed || fates_[i] == StockFate::differs;
            if (!is_open || sizes.count(listing_.files[i].size_bytes) == 0)
                continue;
            numbers.push_back(i);
            total_ += listing_.files[i].size_bytes;
        }
        for (const std::size_t number : numbers)
            TRY_VOID(read(number, has_sha512));
        wanted_.clear();
        return {};
    }

    Result<void> read(std::size_t number, bool has_sha512)
    {
        if (!run_.goes_on())
            return fail(Errc::stale, "it was told to stop");
        tell();
        const StockListing::File& file = listing_.files[number];
        done_ += file.size_bytes;
        const auto opened = folder_->open_file(file.path);
        if (!opened) {
            fates_[number] = StockFate::unreadable;
            return {};
        }
        const StockStore::Find find = [this](const Digest& digest) -> const ArchiveSettings* {
            const auto found = wanted_.find(digest);
            return found == wanted_.end() ? nullptr : found->second;
        };
        TRY(const StockFate fate, store_.take(*opened, file.size_bytes, has_sha512, find));
        if (fate != StockFate::unnamed)  // else it stays what its name says
            fates_[number] = fate;
        return {};
    }

    std::string folder_name() const
    {
        return folder_ ? printable(folder_->path().string()) : std::string();
    }
    std::string origin() const { return "folder " + folder_name(); }

    void tell()
    {
        const SteadyTime now = steady_now();
        if (now - told_ < kTellEvery)
            return;
        told_ = now;
        run_.progress(done_, total_, "", "{}");
    }

    void settle_counts()
    {
        std::set<std::string_view> paths;
        for (const FoundRelease& release : releases_)
            paths.insert(release.path);
        for (std::size_t i = 0; i < listing_.files.size(); ++i)
            if (paths.count(listing_.files[i].path) > 0)
                fates_[i] = StockFate::release;
        report_ = make_report(folder_name(), listing_, fates_, releases_);
        report_.stored_bytes = store_.stored_bytes();
        run_.progress(done_, total_, "", to_json(report_));
    }

    void tell_all()
    {
        catalog::Event event;
        event.code = "stock.imported";
        event.source = origin();
        event.who = run_.record().who;
        event.message = folder_name() + ": " + to_text(report_);
        services_.events.add(std::move(event));
    }

    struct Named {
        std::string_view name;  // of the listing
        std::size_t file;
    };

    Services& services_;
    const ServedArchives& served_;
    Jobs::Run& run_;
    Room room_;
    StockStore store_;
    std::vector<ArchivePtr> archives_;
    std::optional<StockFolder> folder_;
    StockListing listing_;
    std::vector<StockFate> fates_;  // of each listed file
    std::vector<FoundRelease> releases_;
    std::vector<Named> names_;                                               // sorted
    std::unordered_set<std::uint64_t> sizes_;                                // of the listed files
    std::unordered_map<Digest, const ArchiveSettings*, DigestHash> wanted_;  // of these sizes
    StockReport report_;
    std::uint64_t done_ = 0, total_ = 0;
    SteadyTime told_{};
};

}  // namespace

Jobs::Kind make_stock_import(Services& services, ServedArchives served, RoomSettings room)
{
    Jobs::Kind kind;
    kind.unit = "bytes";
    kind.is_resumable = true;
    kind.read_options = [served](std::string_view request) -> Result<std::string> {
        TRY(const Options options, read_options(request));
        TRY_VOID(choose_archives(served, options.archive));
        return Json({{"folder", options.folder}, {"archive", options.archive}})
            .dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    kind.work = [&services, served, room = std::move(room)](Jobs::Run& run) -> Result<Jobs::End> {
        return Import(services, served, room, run).work();
    };
    return kind;
}

}  // namespace aptward::archive
