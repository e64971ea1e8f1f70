// SPDX-License-Identifier: GPL-3.0-or-later
// The order of an export is its promise:
//
//     manifest: what comes    pool files    suites' folders beside    syncfs
//     each folder exchanged   manifest: what is    what nobody reads any more is removed
//
// A reader goes by names from an InRelease to by-hash indexes to pool files. The exchanged folder
// has the by-hash indexes of the generation before as well, and its pool files stay.
#include "archive/export.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "archive/export_manifest.h"
#include "archive/export_place.h"
#include "archive/index_table.h"
#include "archive/names.h"
#include "archive/send.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostNamed = 20;  // of what is missing, in the JSON

Placer::From from_of(store::Blobs::Held held, const Digest& digest)
{
    return {std::move(held), digest.size_bytes};
}

struct PoolFile {
    std::string path;  ///< Below the export's folder.
    Digest digest;
    Placer::From from;
};

/// What one suite's folder is to be.
struct Plan {
    std::string suite;
    catalog::GenerationPtr generation;
    std::vector<const deb::ListedFile*> indexes;
    std::vector<PoolFile> pool;
    bool is_new = false;  ///< Another one than what stands there.
};

Result<void> exchange(const std::filesystem::path& staged, const std::filesystem::path& target)
{
    TRY_VOID(make_public_folders(target.parent_path()));
    if (::renameat2(AT_FDCWD, staged.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
        if (errno == EINVAL || errno == ENOSYS)
            return fail(Errc::storage, "the file system of " + target.string() +
                                           " cannot exchange folders at once: export to another");
        if (errno != ENOENT || ::rename(staged.c_str(), target.c_str()) != 0)
            return fail_errno("exchanging " + target.string(), errno);
    }
    return sync_directory(target.parent_path());
}

Result<Fd> lock(const std::filesystem::path& folder)
{
    Fd file(::open((own_folder(folder) / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!file)
        return fail_errno("locking " + folder.string(), errno);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
        return fail(Errc::stale,
                    "another export to " + folder.string() + " runs: wait for its end");
    return file;
}

class Exporter {
public:
    Exporter(const catalog::ArchiveView& view, const store::Blobs& blobs,
             const store::PrivateMarks& marks, const ExportRequest& request)
        : view_(view), blobs_(blobs), marks_(marks), request_(request), folder_(request.folder)
    {
    }

    Result<ExportReport> run()
    {
        TRY_VOID(plan_suites());
        TRY_VOID(choose_pool());
        TRY(manifest_, read_manifest(folder_));
        TRY_VOID(check_folder());
        TRY_VOID(make_public_folders(own_folder(folder_)));
        TRY(const Fd locked, lock(folder_));
        TRY(manifest_, read_manifest(folder_));  // nobody changes it now
        TRY_VOID(tell_intent());
        TRY_VOID(place_pool());
        for (const Plan& plan : plans_)
            if (plan.is_new)
                TRY_VOID(stage(plan));
        TRY_VOID(sync_file_system(folder_));
        for (const Plan& plan : plans_)
            if (plan.is_new)
                TRY_VOID(exchange(staged(plan.suite), target(plan.suite)));
        TRY_VOID(finish());
        report_.way = to_string(placer_.way());
        return report_;
    }

private:
    Result<void> plan_suites()
    {
        std::vector<std::string> names = request_.suites;
        if (names.empty())
            for (const auto& [name, suite] : view_.suites)
                if (suite.current && name.back() != '/')
                    names.push_back(name);
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
        for (const std::string& name : names) {
            const catalog::SuiteView* suite = view_.find(name);
            if (suite == nullptr || !suite->current)
                return fail(Errc::not_found,
                            fmt::format("nothing is held of {} {}: aptward mirror {} {} fetches it",
                                        request_.archive, printable(name), request_.archive,
                                        printable(name)));
            if (name.back() == '/')
                return fail(Errc::malformed,
                            fmt::format("{} is a flat repository: its folder holds packages beside "
                                        "indexes, and cannot be exchanged at once",
                                        name));
            plans_.push_back({name, suite->current, {}, {}, false});
            report_.suites.push_back(name);
        }
        if (plans_.empty())
            return fail(Errc::not_found,
                        fmt::format("nothing is held of {}: aptward mirror {} SUITE fetches it",
                                    request_.archive, request_.archive));
        return {};
    }

    std::optional<store::Blobs::Held> look(const Digest& digest) const
    {
        return marks_.may_give(digest, request_.archive) ? blobs_.look(digest) : std::nullopt;
    }

    Result<void> choose_pool()
    {
        FileChooser chooser(request_.selection);
        for (std::size_t i = 0; i < plans_.size(); ++i)
            TRY_VOID(choose_indexes_of(plans_[i], i, chooser));
        TRY(const auto files, std::move(chooser).choose());
        for (const ChosenFile& file : files) {
            auto held = look(file.digest);
            if (!held) {
                report_.missing.push_back(file.path);
                continue;
            }
            ++report_.files;
            report_.bytes += file.digest.size_bytes;
            plans_[file.suite].pool.push_back(
                {file.path, file.digest, from_of(std::move(*held), file.digest)});
        }
        return {};
    }

    Result<void> choose_indexes_of(Plan& plan, std::size_t number, FileChooser& chooser)
    {
        const deb::Release& release = plan.generation->release();
        TRY(const auto chosen,
            choose_indexes(release, plan.suite, request_.selection, request_.known));
        bool has_packages = false;
        for (const ChosenIndex& index : chosen) {
            bool is_held = false;
            for (const char* suffix : {"", ".gz", ".zst", ".xz", ".lzma", ".bz2"}) {
                const deb::ListedFile* const file = release.find(index.base + suffix);
                if (file == nullptr || !look(file->digests.front()))
                    continue;
                plan.indexes.push_back(file);
                is_held = true;
            }
            if (!catalog::is_tabled(index.base) || !is_held)
                continue;
            TRY(std::string text, read_index(blobs_, release, index.base));
            TRY_VOID(chooser.add(number, index.kind, std::move(text)));
            has_packages = true;
        }
        if (has_packages)
            return {};
        return fail(
            Errc::not_found,
            fmt::format("no chosen index of {} {} is held: aptward mirror {} {} fetches them",
                        request_.archive, plan.suite, request_.archive, plan.suite));
    }

    Result<void> check_folder() const
    {
        if (!manifest_.archive.empty() && manifest_.archive != request_.archive)
            return fail(Errc::stale,
                        fmt::format("{} is an export of {}: name another folder for {}",
                                    folder_.string(), manifest_.archive, request_.archive));
        std::vector<std::string> names = report_.suites;
        for (const auto& [name, suite] : manifest_.suites)
            names.push_back(name);
        for (const std::string& outer : names)
            for (const std::string& inner : names)
                if (inner.starts_with(outer + "/"))
                    return fail(Errc::stale,
                                fmt::format("the folder of {} lies in that of {}: export them to "
                                            "two folders",
                                            inner, outer));
        return {};
    }

    // Before the first file is placed: what a crash leaves is known to the next export.
    Result<void> tell_intent()
    {
        std::error_code ignored;
        std::filesystem::remove_all(own_folder(folder_) / "new", ignored);
        before_ = manifest_;
        manifest_.archive = request_.archive;
        for (Plan& plan : plans_) {
            ExportManifest::Suite& suite = manifest_.suites[plan.suite];
            std::set<std::string> pool;
            for (const PoolFile& file : plan.pool)
                pool.insert(file.path);
            plan.is_new = !suite.is_whole || suite.generation != plan.generation->id() ||
                          suite.pool != pool || suite.by_hash != by_hash(plan) ||
                          !std::filesystem::is_directory(target(plan.suite), ignored);
            suite.previous.insert(pool.begin(), pool.end());
            suite.by_hash.merge(by_hash(plan));
            suite.is_whole = false;
        }
        return write_manifest(folder_, manifest_);
    }

    static std::set<std::string> by_hash(const Plan& plan)
    {
        std::set<std::string> paths;
        if (plan.generation->release().acquire_by_hash)
            for (const deb::ListedFile* index : plan.indexes)
                for (const Digest& digest : index->digests)
                    paths.insert(by_hash_path(index->path, digest));
        return paths;
    }

    Result<void> place(const Placer::From& from, const std::filesystem::path& to,
                       SystemTime modified)
    {
        TRY(const bool is_placed, placer_.place(from, to, modified));
        report_.placed += is_placed ? 1 : 0;
        return {};
    }

    Result<void> place_pool()
    {
        for (const Plan& plan : plans_)
            for (const PoolFile& file : plan.pool)
                TRY_VOID(place(file.from, folder_ / file.path, modified_of(file.digest)));
        return {};
    }

    std::filesystem::path staged(const std::string& suite) const
    {
        return own_folder(folder_) / "new" / suite;
    }

    std::filesystem::path target(const std::string& suite) const
    {
        return folder_ / "dists" / suite;
    }

    Result<void> stage(const Plan& plan)
    {
        const auto folder = staged(plan.suite);
        const SystemTime date = plan.generation->date();
        const catalog::ReleaseFiles& files = plan.generation->files();
        for (const auto& [name, bytes] :
             {std::pair("InRelease", &files.inrelease), std::pair("Release", &files.release),
              std::pair("Release.gpg", &files.release_gpg)})
            if (!bytes->empty())
                TRY_VOID(Placer::write(*bytes, folder / name, date));
        for (const deb::ListedFile* index : plan.indexes) {
            const Digest& held_by = index->digests.front();
            auto held = blobs_.look(held_by);
            if (!held)
                return fail(Errc::not_found, index->path + " is held no more: export it again");
            const Placer::From from = from_of(std::move(*held), held_by);
            TRY_VOID(place(from, folder / index->path, date));
            if (!plan.generation->release().acquire_by_hash)
                continue;
            for (const Digest& digest : index->digests)
                TRY_VOID(place(from, folder / by_hash_path(index->path, digest), date));
        }
        return keep_by_hash(plan, folder);
    }

    // For whoever has the InRelease of the generation before.
    Result<void> keep_by_hash(const Plan& plan, const std::filesystem::path& folder)
    {
        for (const std::string& path : before_.suites[plan.suite].by_hash) {
            auto from = target(plan.suite) / path;
            struct ::stat status{};
            if (::lstat(from.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
                continue;
            std::error_code ignored;
            if (std::filesystem::exists(folder / path, ignored))
                continue;
            TRY_VOID(placer_.place({{std::move(from), status.st_dev, status.st_ino, status.st_mode},
                                    static_cast<std::uint64_t>(status.st_size)},
                                   folder / path, from_unix(status.st_mtim.tv_sec)));
        }
        return {};
    }

    // What is removed is named until it is gone.
    Result<void> finish()
    {
        const std::set<std::string> known = manifest_.files();
        for (const Plan& plan : plans_) {
            const ExportManifest::Suite& before = before_.suites[plan.suite];
            ExportManifest::Suite suite;
            suite.generation = plan.generation->id();
            suite.by_hash = by_hash(plan);
            for (const PoolFile& file : plan.pool)
                suite.pool.insert(file.path);
            suite.previous = plan.is_new ? before.pool : before.previous;
            if (!before.is_whole)
                suite.previous.insert(before.previous.begin(), before.previous.end());
            manifest_.suites[plan.suite] = std::move(suite);
        }
        std::error_code ignored;
        const std::set<std::string> wanted = manifest_.files();
        for (const std::string& path : known)
            if (wanted.count(path) == 0 && std::filesystem::remove(folder_ / path, ignored)) {
                ++report_.removed;
                remove_empty((folder_ / path).parent_path());
            }
        std::filesystem::remove_all(own_folder(folder_) / "new", ignored);
        return write_manifest(folder_, manifest_);
    }

    void remove_empty(std::filesystem::path emptied) const
    {
        std::error_code error;
        for (; emptied != folder_ && std::filesystem::remove(emptied, error) && !error;
             emptied = emptied.parent_path()) {
        }
    }

    const catalog::ArchiveView& view_;
    const store::Blobs& blobs_;
    const store::PrivateMarks& marks_;
    const ExportRequest& request_;
    const std::filesystem::path folder_;
    std::vector<Plan> plans_;
    ExportManifest manifest_, before_;
    Placer placer_;
    ExportReport report_;
};

}  // namespace

std::string to_text(const ExportReport& report)
{
    std::string text = fmt::format(
        "{}: {} files, {}; {} placed as {}, {} removed", fmt::join(report.suites, ", "),
        report.files, human_size(report.bytes), report.placed, report.way, report.removed);
    if (!report.missing.empty())
        text += fmt::format(
            "; {} chosen files are not held, the first: {}; aptward mirror fetches them",
            report.missing.size(), printable(report.missing.front()));
    return text;
}

std::string to_json(const ExportReport& report)
{
    const auto named = std::min(report.missing.size(), kMostNamed);
    return Json({{"suites", report.suites},
                 {"files", report.files},
                 {"bytes", report.bytes},
                 {"placed", report.placed},
                 {"removed", report.removed},
                 {"way", report.way},
                 {"missing", report.missing.size()},
                 {"missing_files",
                  std::vector(report.missing.begin(),
                              report.missing.begin() + static_cast<std::ptrdiff_t>(named))}})
        .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ExportReport> export_held(const catalog::ArchiveView& view, const store::Blobs& blobs,
                                 const store::PrivateMarks& marks, const ExportRequest& request)
{
    return Exporter(view, blobs, marks, request).run();
}

}  // namespace aptward::archive
