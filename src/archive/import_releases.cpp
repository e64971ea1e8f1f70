// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/import_releases.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>

#include "base/text.h"

namespace aptward::archive {
namespace {

using Outcome = Offered::Outcome;

// That are judged: each costs a run of gpgv for each archive that it may be of. A cache has one for
// each suite that its clients use.
constexpr std::size_t kMostReleases = 256;

std::string suite_of(std::string_view rest)
{
    if (!rest.empty())
        rest.remove_prefix(1);
    constexpr std::string_view kDists = "dists/";
    if (rest.starts_with(kDists))
        return std::string(rest.substr(kDists.size()));
    return std::string(rest) + "/";  // a flat repository
}

/// An archive that a release may be of, and as which suite.
struct Home {
    std::shared_ptr<Archive> archive;
    std::string suite;
};

struct Homes {
    std::vector<Home> all;
    bool are_named = false;  ///< A host of theirs stands in the path.
};

/// The files of one folder that make a release.
struct Candidate {
    std::string inrelease, release, release_gpg;  // paths
    Homes homes;

    const std::string& path() const { return inrelease.empty() ? release : inrelease; }
};

std::map<std::string, Candidate> candidates_in(const StockListing& listing)
{
    std::map<std::string, Candidate> candidates;
    const auto look = [&](const std::string& path) {
        const std::size_t slash = path.rfind('/');
        const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
        const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
        if (name == "InRelease")
            candidates[folder].inrelease = path;
        if (name == "Release")
            candidates[folder].release = path;
        if (name == "Release.gpg")
            candidates[folder].release_gpg = path;
    };
    for (const StockListing::File& file : listing.files)
        look(file.path);
    for (const StockListing::Twin& twin : listing.twins)
        look(twin.path);
    // The short one in each component's folder has no signature.
    std::erase_if(candidates, [](const auto& entry) {
        const Candidate& one = entry.second;
        return one.inrelease.empty() && (one.release.empty() || one.release_gpg.empty());
    });
    return candidates;
}

Result<std::string> read_small(const StockFolder& folder, const std::string& path)
{
    TRY(const Fd file, folder.open_file(path));
    struct ::stat found{};
    if (::fstat(file.get(), &found) != 0)
        return fail_errno("reading " + printable(path), errno);
    const auto size = static_cast<std::uint64_t>(found.st_size);
    if (size > crypto::kMaxReleaseBytes)
        return fail(Errc::malformed, "it is too large");
    std::string bytes(size, '\0');
    TRY_VOID(read_all_at(file.get(), bytes, 0));
    return bytes;
}

// One form of it: a cache may hold the other one of another day.
Result<catalog::ReleaseFiles> read_files(const StockFolder& folder, const Candidate& candidate)
{
    catalog::ReleaseFiles files;
    if (!candidate.inrelease.empty()) {
        TRY(files.inrelease, read_small(folder, candidate.inrelease));
        return files;
    }
    TRY(files.release, read_small(folder, candidate.release));
    TRY(files.release_gpg, read_small(folder, candidate.release_gpg));
    return files;
}

// Its files and its date; else why it is no release.
bool read_dated(const StockFolder& folder, const Candidate& candidate, FoundRelease& found)
{
    auto files = read_files(folder, candidate);
    const auto release =
        files ? read_release(*files) : Result<deb::Release>(tl::unexpected<Error>(files.error()));
    if (!release || !release->date) {
        found.refusal = {"release.malformed",
                         release ? "it has no date" : release.error().message()};
        return false;
    }
    found.date = *release->date;
    found.handed.files = std::move(*files);
    return true;
}

// Where clients and sources have it.
std::vector<Prefix> prefixes_of(const ArchiveSettings& settings)
{
    std::vector<Prefix> prefixes;
    for (const std::string& host : settings.hosts)
        prefixes.push_back(read_prefix(host, 0));
    for (const fetch::SourceSettings& upstream : settings.upstreams)
        prefixes.push_back(read_prefix(upstream.url, 0));
    return prefixes;
}

// As the operator has named the folder: "/srv/mirror/", "/srv/mirror/dists/stable/."
std::string place_of(const std::string& folder, const ReleaseSearch& search)
{
    std::string place = (search.folder.path() / folder).lexically_normal().string();
    while (place.ends_with('/'))
        place.pop_back();
    return place;
}

Homes homes_of(const std::string& folder, const ReleaseSearch& search)
{
    std::vector<Home> named, possible;
    for (const auto& archive : search.archives) {
        for (const Prefix& prefix : prefixes_of(archive->settings()))
            if (auto suite = suite_below(folder, prefix);
                suite && (named.empty() || named.back().archive != archive))
                named.push_back({archive, std::move(*suite)});
        // Whatever lies there would be taken where nothing is checked.
        if (!search.is_named && archive->settings().verify != Verify::enforce)
            continue;
        if (auto suite = suite_behind_dists(folder))
            possible.push_back({archive, std::move(*suite)});
    }
    return named.empty() ? Homes{std::move(possible), false} : Homes{std::move(named), true};
}

// Those that lie where an archive of this node has its suites come first: no rubbish beside them
// takes their turn.
std::vector<Candidate> in_order(std::map<std::string, Candidate> candidates,
                                const ReleaseSearch& search)
{
    std::vector<Candidate> named, others;
    for (auto& [folder, candidate] : candidates) {
        candidate.homes = homes_of(place_of(folder, search), search);
        (candidate.homes.are_named ? named : others).push_back(std::move(candidate));
    }
    named.insert(named.end(), std::make_move_iterator(others.begin()),
                 std::make_move_iterator(others.end()));
    return named;
}

/// Looks for the home of one release.
class Homing {
public:
    Homing(const Services& services, const Jobs::Run& run, const ReleaseSearch& search)
        : services_(services), run_(run), search_(search)
    {
    }

    Result<void> find(const Homes& homes, FoundRelease& found) const
    {
        std::vector<HandedIn> takers;
        for (const Home& home : homes.all) {
            HandedIn handed{home.archive, home.suite, found.handed.files, {}};
            TRY_VOID(assess(services_, run_, handed, search_.origin));
            if (handed.offered.outcome == Outcome::refused)
                found.refusal = handed.offered.verdict;
            else
                takers.push_back(std::move(handed));
        }
        if (takers.size() == 1)
            found.handed = std::move(takers.front());
        if (takers.size() > 1)
            found.refusal = {"release.ambiguous",
                             fmt::format("{} archives would take it: name the right one with "
                                         "--archive",
                                         takers.size())};
        return {};
    }

private:
    const Services& services_;
    const Jobs::Run& run_;
    const ReleaseSearch& search_;
};

}  // namespace

std::optional<std::string> suite_below(std::string_view folder, const Prefix& prefix)
{
    for (std::size_t from = 0; from < folder.size();) {
        const std::size_t end = std::min(folder.find('/', from), folder.size());
        std::string_view rest = folder.substr(end);
        if (fits_host(prefix.host, folder.substr(from, end - from)) &&
            rest.starts_with(prefix.path)) {
            rest.remove_prefix(prefix.path.size());
            if (rest.empty() || rest.front() == '/')
                return suite_of(rest);
        }
        from = end + 1;
    }
    return std::nullopt;
}

std::optional<std::string> suite_behind_dists(std::string_view folder)
{
    constexpr std::string_view kDists = "/dists/";
    const std::size_t at = folder.rfind(kDists);
    if (at == std::string_view::npos || at + kDists.size() == folder.size())
        return std::nullopt;
    return std::string(folder.substr(at + kDists.size()));
}

Result<std::vector<FoundRelease>> find_releases(const Services& services, const Jobs::Run& run,
                                                const ReleaseSearch& search)
{
    std::vector<FoundRelease> releases;
    std::size_t judged = 0;
    const Homing homing(services, run, search);
    for (const Candidate& candidate : in_order(candidates_in(search.listing), search)) {
        if (!run.goes_on())
            return fail(Errc::stale, "it was told to stop");
        FoundRelease found;
        found.path = candidate.path();
        if (candidate.homes.all.empty()) {
            found.refusal = {"release.no-archive",
                             "it lies where no archive of this node has a suite"};
        } else if (judged >= kMostReleases) {
            found.refusal = {"release.too-many",
                             fmt::format("only {} are looked at", kMostReleases)};
        } else if (read_dated(search.folder, candidate, found)) {
            ++judged;
            TRY_VOID(homing.find(candidate.homes, found));
        }
        releases.push_back(std::move(found));
    }
    const auto place_of = [](const FoundRelease& found) {
        return std::tuple(found.handed.archive == nullptr, -to_unix(found.date),
                          std::string_view(found.path));
    };
    std::sort(releases.begin(), releases.end(), [&](const FoundRelease& a, const FoundRelease& b) {
        return place_of(a) < place_of(b);
    });
    return releases;
}

}  // namespace aptward::archive
