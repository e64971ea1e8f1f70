// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/rings.h"

#include "archive/archive.h"
#include "archive/suite.h"

namespace aptward::archive {
namespace {

constexpr std::chrono::minutes kLookAgain{10};  // whatever the clocks do

bool overrules(const RingSettings& ring, const std::string& suite)
{
    return ring.has_security_at_once && suite.find("security") != std::string::npos;
}

}  // namespace

Rings::Rings(Archive& archive) : archive_(archive), view_(std::make_shared<const RingView>()) {}

RingPlace Rings::find(std::size_t ring, const std::string& suite) const
{
    if (ring == 0)
        return {};
    const auto view = view_.load();
    const auto found = view->find({ring, suite});
    return found == view->end() ? RingPlace() : found->second;
}

catalog::ArchiveView Rings::view(std::size_t ring) const
{
    catalog::ArchiveView archive;
    const auto view = view_.load();
    for (const auto& [key, place] : *view) {
        if (key.first != ring)
            continue;
        catalog::SuiteView& suite = archive.suites[key.second];
        suite.current = place.current;
        if (place.previous)
            suite.recent.push_back(place.previous);
    }
    return archive;
}

catalog::GenerationPtr Rings::find_generation(const std::string& suite, const std::string& id) const
{
    const auto view = view_.load();
    for (const auto& [key, place] : *view)
        for (const catalog::GenerationPtr& one : {place.current, place.previous})
            if (key.second == suite && one != nullptr && one->id() == id)
                return one;
    return nullptr;
}

void Rings::replace(const std::string& suite, const catalog::GenerationPtr& generation)
{
    auto next = std::make_shared<RingView>(*view_.load());
    for (auto& [key, place] : *next)
        for (catalog::GenerationPtr* one : {&place.current, &place.previous})
            if (key.second == suite && *one != nullptr && (*one)->id() == generation->id())
                *one = generation;
    view_.store(std::move(next));
}

http::Async<void> Rings::update()
{
    std::vector<std::string> names;
    for (const auto& [name, suite] : archive_.suites_)
        names.push_back(name);
    for (std::size_t ring = 1; ring <= archive_.settings_.rings.size(); ++ring)
        for (const std::string& name : names) {
            co_await update(ring, name);
        }
}

http::Async<void> Rings::update(std::size_t ring, std::string suite)
{
    const RingSettings& settings = archive_.settings_.rings[ring - 1];
    Suite& target = archive_.suite(suite);
    // A client that finds none has nothing to lose by the first.
    const catalog::Published* wanted =
        catalog::find_shown(target.timeline(), system_now() - settings.delay);
    const bool has_current =
        wanted == nullptr || overrules(settings, suite) ||
        (target.view().current && target.view().current->id() == wanted->release);
    const RingPlace before = find(ring, suite);
    RingPlace place;
    if (!has_current && before.current && before.current->id() == wanted->release)
        co_return;
    if (!has_current) {
        auto generation = co_await target.generation(*wanted);
        if (!generation) {
            // A disk that fails gives nobody a release before its time: apt would keep it.
            const bool is_kept = before.current && generation.error().code() != Errc::untrusted;
            archive_.tell_of_ring(settings.name, suite, is_kept, generation.error().message());
            if (is_kept)
                co_return;
        } else {
            place.current = std::move(*generation);
            place.previous = before.current;
        }
    }
    auto next = std::make_shared<RingView>(*view_.load());
    if (place.current)
        (*next)[{ring, suite}] = std::move(place);
    else
        next->erase({ring, suite});
    view_.store(std::move(next));
}

void Rings::hold_back(const std::string& suite, const catalog::GenerationPtr& current)
{
    if (current == nullptr)
        return;
    auto next = std::make_shared<RingView>(*view_.load());
    for (std::size_t ring = 1; ring <= archive_.settings_.rings.size(); ++ring) {
        const RingSettings& settings = archive_.settings_.rings[ring - 1];
        const catalog::Published* wanted =
            catalog::find_shown(archive_.suite(suite).timeline(), system_now() - settings.delay);
        const bool has_it = wanted != nullptr && wanted->release == current->id();
        if (has_it && !overrules(settings, suite))
            next->try_emplace({ring, suite}, RingPlace{current, nullptr});
    }
    view_.store(std::move(next));
}

void Rings::withdraw()
{
    auto next = std::make_shared<RingView>(*view_.load());
    const auto is_withdrawn = [&](const catalog::GenerationPtr& one) {
        return one != nullptr && archive_.is_withdrawn(one->verified().signers());
    };
    std::erase_if(*next, [&](const auto& entry) {
        return is_withdrawn(entry.second.current) || is_withdrawn(entry.second.previous);
    });
    view_.store(std::move(next));
    note_published();
}

SteadyTime Rings::next_due() const
{
    const SystemTime now = system_now();
    SystemTime due = now + kLookAgain;
    for (const RingSettings& ring : archive_.settings_.rings)
        for (const auto& [name, suite] : archive_.suites_)
            for (const catalog::Published& one : suite->timeline())
                if (one.published + ring.delay > now)
                    due = std::min(due, one.published + ring.delay);
    return steady_now() + (due - now);
}

http::Async<void> Rings::keep(std::shared_ptr<Archive> archive)
{
    const auto published = co_await http::make_signal();
    published_ = published;
    while (!archive->is_retired_) {
        co_await update();
        co_await published->wait_until(next_due());
    }
}

void Rings::note_published()
{
    if (const auto published = published_.lock())
        published->notify();
}

}  // namespace aptward::archive
