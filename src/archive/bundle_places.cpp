// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/bundle_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/text.h"

namespace aptward::archive {
namespace {

using bundle::BundledRelease;
using ArchivePtr = std::shared_ptr<Archive>;

bool names_suite(const KnownSuite& known, const BundledRelease& release)
{
    return known.suite == release.suite;
}

bool may_be_of(const ArchiveSettings& settings, const BundledRelease& release)
{
    const auto& known = settings.known_suites;
    return settings.id == release.archive ||
           (settings.has_made_up_id &&
            std::any_of(known.begin(), known.end(),
                        [&](const KnownSuite& one) { return names_suite(one, release); }));
}

std::string text_of(const ArchiveSettings& settings)
{
    std::set<std::string> suites;
    for (const KnownSuite& known : settings.known_suites)
        suites.insert(known.suite);
    return settings.has_made_up_id ? fmt::format("{} {}", settings.id, fmt::join(suites, " "))
                                   : settings.id;
}

Error no_place(const std::string& archive, const std::vector<BundledRelease>& releases,
               const std::vector<ArchivePtr>& archives)
{
    std::vector<std::string> suites, here;
    for (const BundledRelease& release : releases)
        if (release.archive == archive)
            suites.push_back(release.suite);
    bool is_machine = false;
    for (const ArchivePtr& one : archives) {
        here.push_back(text_of(one->settings()));
        is_machine = is_machine || one->settings().has_made_up_id;
    }
    const std::string wanted =
        is_machine ? fmt::format("{} {}", archive, fmt::join(suites, " ")) : archive;
    return Error(Errc::not_found,
                 fmt::format("it is for another archive: {}; this {} has {}", printable(wanted),
                             is_machine ? "machine" : "node",
                             here.empty() ? "none" : fmt::format("{}", fmt::join(here, ", "))));
}

using Places = std::vector<Incoming*>;
using Fits = std::function<Result<bool>(const Incoming& place)>;

// "updates/main" is written "main" in some releases (V31).
bool is_component_of(const std::string& component, const deb::Release& release)
{
    return std::any_of(release.components.begin(), release.components.end(),
                       [&](const std::string& one) {
                           return one == component || component.ends_with("/" + one) ||
                                  one.ends_with("/" + component);
                       });
}

Result<bool> shares_components(const Incoming& place)
{
    TRY(const deb::Release release, read_release(place.files));
    for (const KnownSuite& known : place.archive->settings().known_suites)
        if (names_suite(known, place.release))
            for (const std::string& component : known.components)
                if (is_component_of(component, release))
                    return true;
    return false;
}

Result<bool> has_its_id(const Incoming& place)
{
    return place.archive->settings().id == place.release.archive;
}

// Those that fit; when none does, all of them.
Result<Places> narrowed(const Places& places, const Fits& fits)
{
    Places fitting;
    for (Incoming* place : places) {
        TRY(const bool is_fitting, fits(*place));
        if (is_fitting)
            fitting.push_back(place);
    }
    return fitting.empty() ? places : fitting;
}

Result<Places> settle(const Places& places)
{
    Places accepting;
    for (Incoming* place : places)
        if (place->offered.outcome != Offered::Outcome::refused)
            accepting.push_back(place);
    if (accepting.empty())
        return places;
    for (const Fits& fits : {Fits(has_its_id), Fits(shares_components)})
        if (accepting.size() > 1) {
            TRY(accepting, narrowed(accepting, fits));
        }
    // To choose would be a mix-up that no signature shows.
    if (accepting.size() > 1)
        return fail(
            Errc::untrusted,
            fmt::format("{} {} may be of {} or of {}: the keys of both accept it; write an "
                        "[[archive]] with the id \"{}\" into a configuration",
                        printable(places.front()->release.archive),
                        printable(places.front()->release.suite),
                        accepting[0]->archive->settings().id, accepting[1]->archive->settings().id,
                        printable(places.front()->release.archive)));
    return accepting;
}

}  // namespace

Result<std::vector<Incoming>> find_places(const std::vector<BundledRelease>& releases,
                                          const std::vector<ArchivePtr>& archives)
{
    std::vector<Incoming> open, closed;  // a private archive gives nothing away: the others first
    std::set<std::string> placed;
    for (const BundledRelease& release : releases)
        for (const ArchivePtr& archive : archives) {
            if (!may_be_of(archive->settings(), release))
                continue;
            auto& places = archive->settings().is_private ? closed : open;
            places.push_back({{archive, release.suite, {}, {}}, release});
            placed.insert(release.archive);
        }
    for (const BundledRelease& release : releases)
        if (placed.count(release.archive) == 0)
            return tl::unexpected<Error>(no_place(release.archive, releases, archives));
    std::move(closed.begin(), closed.end(), std::back_inserter(open));
    return open;
}

Result<void> settle_places(std::vector<Incoming>& incoming)
{
    std::map<std::string, Places> by_release;
    for (Incoming& place : incoming)
        by_release[fmt::format("{} {} {}", place.release.archive, place.release.suite,
                               place.release.id)]
            .push_back(&place);
    std::set<const Incoming*> kept;
    for (const auto& [release, places] : by_release) {
        TRY(const Places settled, settle(places));
        kept.insert(settled.begin(), settled.end());
    }
    std::vector<Incoming> left;
    for (Incoming& place : incoming)
        if (kept.count(&place) != 0)
            left.push_back(std::move(place));
    incoming = std::move(left);
    return {};
}

}  // namespace aptward::archive
