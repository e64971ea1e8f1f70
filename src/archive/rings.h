// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Rings: groups of clients that get a generation only when it has run in the ring before for some
// time. Ring 0 is everybody else, and gets what is current. Private to archive/;
// docs/decisions/0019-rings.md.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "catalog/catalog.h"
#include "http/task.h"

namespace aptward::archive {

class Archive;

/// Which generation of a suite a ring has, and which it had before.
struct RingPlace {
    catalog::GenerationPtr current, previous;
};
/// By ring and suite; what is not there is as in ring 0.
using RingView = std::map<std::pair<std::size_t, std::string>, RingPlace>;

class Rings {
public:
    explicit Rings(Archive& archive);

    /// Any thread. Both are null when the ring has what is current.
    RingPlace find(std::size_t ring, const std::string& suite) const;
    /// What a ring has that is not current, as a view of its own.
    catalog::ArchiveView view(std::size_t ring) const;

    // Control loop from here on.

    /// Moves every suite to where its rings are now.
    http::Async<void> update();
    /// Goes on doing so, when it is due or a generation was published, until the archive retires.
    http::Async<void> keep(std::shared_ptr<Archive> archive);
    void note_published();
    /// Keys were revoked or approved: what counts no more goes at once, what counts again comes.
    void withdraw();
    /// A table came to a generation.
    void replace(const std::string& suite, const catalog::GenerationPtr& generation);
    /// Before a suite shows another release than `current`: rings that have to wait for it keep
    /// this one, in the same moment.
    void hold_back(const std::string& suite, const catalog::GenerationPtr& current);
    catalog::GenerationPtr find_generation(const std::string& suite, const std::string& id) const;

private:
    http::Async<void> update(std::size_t ring, std::string suite);
    SteadyTime next_due() const;

    Archive& archive_;
    std::atomic<std::shared_ptr<const RingView>> view_;
    std::weak_ptr<http::Signal> published_;  // keep() has it: no longer than the loop lives
};

}  // namespace aptward::archive
