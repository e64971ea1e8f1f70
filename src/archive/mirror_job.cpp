// SPDX-License-Identifier: GPL-3.0-or-later
// The steps of a mirror job. On the jobs' thread, which may wait and compute; what touches suites
// and flights runs on the control loop.
//
//     each suite: refresh, indexes into tables    (hold_indexes.cpp)
//     the indexes, then the pool files            (mass_fetch.cpp)
//     a newer release meanwhile: once more, for what is new in it
//
// Nothing needs to be remembered for going on later: what is held is not fetched again.
#include "archive/mirror_job.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>

#include "archive/index_table.h"
#include "archive/mass_fetch.h"
#include "archive/unknown_archive.h"
#include "base/text.h"
#include "http/blocking.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;

constexpr int kMostRounds = 3;
constexpr std::size_t kMostNamed = 20;  // of what is missing, in the result

struct Missing {
    std::string path, why;
};

class MirrorRun {
public:
    MirrorRun(Services& services, std::shared_ptr<Archive> archive, MirrorRequest request,
              Jobs::Run& run)
        : services_(services),
          archive_(std::move(archive)),
          request_(std::move(request)),
          run_(run),
          pace_(std::make_shared<Pace>(request_.rate_bytes_per_s)),
          done_before_(run.record().done)
    {
    }

    Result<Jobs::End> work()
    {
        if (request_.suites.empty())
            request_.suites = suites_of_archive();
        if (request_.suites.empty())
            return fail(Errc::not_found, fmt::format("nothing of {} is known yet: name a suite",
                                                     archive_->settings().id));
        auto done = go_through();
        if (!run_.goes_on())
            return Jobs::End{false, "told to stop; what came is held"};
        tell();
        if (!done)
            return tl::unexpected<Error>(std::move(done).error());
        if (!missing_.empty() || !not_refreshed().empty())
            return fail(Errc::unavailable, text_of_shortfall());
        return Jobs::End{true, text()};
    }

private:
    Result<void> go_through()
    {
        for (int round = 0; round < kMostRounds; ++round) {
            missing_.clear();
            TRY_VOID(hold_indexes());
            TRY_VOID(fetch_indexes());
            TRY_VOID(choose_files());
            TRY_VOID(fetch_files());
            if (is_current())
                break;
        }
        return {};
    }

    std::vector<std::string> suites_of_archive() const
    {
        std::set<std::string> names;
        for (const KnownSuite& known : archive_->settings().known_suites)
            names.insert(known.suite);
        const auto view = archive_->view();
        for (const auto& [name, suite] : view->suites)
            if (suite.current)
                names.insert(name);
        return {names.begin(), names.end()};
    }

    std::function<bool()> goes_on() const
    {
        return [this] { return run_.goes_on(); };
    }

    Result<void> hold_indexes()
    {
        held_.clear();
        for (const std::string& suite : request_.suites) {
            auto make = [archive = archive_, suite, selection = request_.selection] {
                return archive->hold_indexes(
                    suite, [archive, suite, selection](const deb::Release& release) {
                        return choose_indexes(release, suite, selection,
                                              archive->settings().known_suites);
                    });
            };
            TRY(auto held,
                http::block_on(services_.control, "mirroring " + suite, make, goes_on()));
            for (const std::string& path : held.missing)
                missing_.push_back({suite_folder(suite) + path, "no source publishes it"});
            held_.push_back(std::move(held));
        }
        return {};
    }

    Result<void> fetch_indexes()
    {
        std::vector<fetch::Want> wants;
        std::vector<bool> are_needed;
        for (const HeldIndexes& held : held_)
            for (std::size_t i = 0; i < held.wants.size(); ++i) {
                if (archive_->may_use(held.wants[i].digest))
                    continue;
                wants.push_back(held.wants[i]);
                are_needed.push_back(catalog::is_tabled(held.indexes[i].base));
            }
        std::vector<Digest> digests;
        for (const fetch::Want& want : wants)
            digests.push_back(want.digest);
        const auto want_of = [wants](std::size_t number) { return wants[number]; };
        TRY(const auto failures, fetch(digests, want_of));
        for (const MassFetch::Failure& failure : failures)
            // Listed, and not published: as usual with what names no packages.
            if (are_needed[failure.number] || failure.error.code() != Errc::not_found)
                missing_.push_back({wants[failure.number].paths.back(), failure.error.message()});
        return {};
    }

    Result<void> choose_files()
    {
        FileChooser chooser(request_.selection);
        for (std::size_t i = 0; i < held_.size(); ++i)
            for (const ChosenIndex& index : held_[i].indexes) {
                if (!catalog::is_tabled(index.base))
                    continue;
                auto text = read_index(services_.blobs, held_[i].generation->release(), index.base);
                if (!text && text.error().code() == Errc::not_found)
                    continue;  // missing, and told so
                if (!text)
                    return tl::unexpected<Error>(std::move(text).error().within(index.base));
                TRY_VOID(chooser.add(i, index.kind, std::move(*text)));
            }
        TRY(files_, std::move(chooser).choose());
        return {};
    }

    Result<void> fetch_files()
    {
        std::vector<ChosenFile> wanted;
        std::unordered_set<Digest, DigestHash> seen;
        file_bytes_ = 0;
        for (const ChosenFile& file : files_) {
            if (!seen.insert(file.digest).second)
                continue;
            file_bytes_ += file.digest.size_bytes;
            if (!archive_->may_use(file.digest))
                wanted.push_back(file);
        }
        files_wanted_ = seen.size();
        std::vector<Digest> digests;
        for (const ChosenFile& file : wanted)
            digests.push_back(file.digest);
        const auto want_of = [archive = archive_, wanted](std::size_t number) {
            return archive->want_of_pool(wanted[number].digest, wanted[number].path);
        };
        TRY(const auto failures, fetch(digests, want_of));
        for (const MassFetch::Failure& failure : failures)
            missing_.push_back({wanted[failure.number].path, failure.error.message()});
        return {};
    }

    Result<std::vector<MassFetch::Failure>> fetch(
        const std::vector<Digest>& digests, const std::function<fetch::Want(std::size_t)>& want_of)
    {
        total_bytes_ = fetched_bytes_;
        for (const Digest& digest : digests)
            total_bytes_ += digest.size_bytes;
        if (digests.empty())
            return std::vector<MassFetch::Failure>();
        auto fetching = std::make_shared<MassFetch>(
            archive_, services_.fetcher, MassFetch::Options{digests.size(), want_of, pace_});
        const std::uint64_t bytes_before = fetched_bytes_, files_before = fetched_files_;
        const auto look = [&] {
            fetched_bytes_ = bytes_before + fetching->bytes();
            fetched_files_ = files_before + fetching->stored();
            tell();
            return run_.goes_on();
        };
        const auto done = http::block_on(
            services_.control, "fetching for a mirror", [fetching] { return fetching->run(); },
            look);
        fetching->stop();
        look();
        if (!done)
            return tl::unexpected<Error>(done.error());
        return fetching->failures();
    }

    // The suites that are held as they were before this job, by their numbers.
    std::vector<std::size_t> not_refreshed() const
    {
        std::vector<std::size_t> numbers;
        for (std::size_t i = 0; i < held_.size(); ++i)
            if (!held_[i].not_refreshed.empty())
                numbers.push_back(i);
        return numbers;
    }

    bool is_current() const
    {
        const auto view = archive_->view();
        for (std::size_t i = 0; i < held_.size(); ++i) {
            const catalog::SuiteView* suite = view->find(request_.suites[i]);
            if (suite != nullptr && suite->current &&
                suite->current->id() != held_[i].generation->id())
                return false;
        }
        return true;
    }

    void tell()
    {
        run_.progress(done_before_ + fetched_bytes_, done_before_ + total_bytes_, "", result());
    }

    std::string result() const
    {
        Json suites = Json::array(), missing = Json::array(), stale = Json::array();
        for (std::size_t i = 0; i < held_.size(); ++i)
            suites.push_back(
                {{"suite", request_.suites[i]}, {"generation", held_[i].generation->id()}});
        for (const std::size_t i : not_refreshed())
            stale.push_back({{"suite", request_.suites[i]},
                             {"date", to_unix(held_[i].generation->date())},
                             {"why", held_[i].not_refreshed}});
        for (std::size_t i = 0; i < std::min(missing_.size(), kMostNamed); ++i)
            missing.push_back({{"path", missing_[i].path}, {"why", missing_[i].why}});
        return Json({{"archive", request_.archive},
                     {"suites", suites},
                     {"not_refreshed", stale},
                     {"files", files_wanted_},
                     {"bytes", file_bytes_},
                     {"fetched", fetched_files_},
                     {"fetched_bytes", fetched_bytes_},
                     {"missing", missing_.size()},
                     {"missing_files", missing}})
            .dump(-1, ' ', false, Json::error_handler_t::replace);
    }

    std::string text() const
    {
        return fmt::format("{} {}: {} files, {} are held; {} files, {} were fetched",
                           request_.archive, fmt::join(request_.suites, ", "), files_wanted_,
                           human_size(file_bytes_), fetched_files_, human_size(fetched_bytes_));
    }

    // An old release that is held whole is a failure too: else nobody looks for weeks.
    std::string text_of_shortfall() const
    {
        std::string text;
        for (const std::size_t i : not_refreshed())
            text += fmt::format(
                "{} could not be refreshed, and the release that is held is of "
                "{:%Y-%m-%d}: {}; ",
                request_.suites[i], fmt::gmtime(to_unix(held_[i].generation->date())),
                held_[i].not_refreshed);
        return text + (missing_.empty() ? "what it names is held" : text_of_missing());
    }

    std::string text_of_missing() const
    {
        const Missing& first = missing_.front();
        return fmt::format(
            "{} of the files could not be had, the first: {}: {}; the rest is held, start it again "
            "to fetch what is missing",
            missing_.size(), printable(first.path), first.why);
    }

    Services& services_;
    const std::shared_ptr<Archive> archive_;
    MirrorRequest request_;
    Jobs::Run& run_;
    const std::shared_ptr<Pace> pace_;
    const std::uint64_t done_before_;  // in runs that were interrupted
    std::vector<HeldIndexes> held_;    // one for each suite
    std::vector<ChosenFile> files_;
    std::vector<Missing> missing_;
    std::uint64_t files_wanted_ = 0, file_bytes_ = 0;
    std::uint64_t fetched_files_ = 0, fetched_bytes_ = 0, total_bytes_ = 0;
};

}  // namespace

Jobs::Kind make_mirror(Services& services, FindArchive find_archive)
{
    Jobs::Kind kind;
    kind.unit = "bytes";
    kind.is_resumable = true;
    const auto find = [find_archive](const std::string& id) -> Result<std::shared_ptr<Archive>> {
        auto archive = find_archive(id);
        if (archive == nullptr)
            return fail(Errc::not_found, unknown_archive(id));
        return archive;
    };
    kind.read_options = [find](std::string_view request) -> Result<std::string> {
        TRY(const MirrorRequest asked, parse_mirror_request(request));
        TRY_VOID(find(asked.archive));
        return to_json(asked);
    };
    kind.work = [&services, find](Jobs::Run& run) -> Result<Jobs::End> {
        TRY(const MirrorRequest request, parse_mirror_request(run.record().options));
        for (;;) {
            TRY(const auto archive, find(request.archive));
            auto end = MirrorRun(services, archive, request, run).work();
            if (!archive->is_retired() || !run.goes_on())
                return end;
            // The configuration was read again. What is held is not fetched again.
        }
    };
    return kind;
}

}  // namespace aptward::archive
