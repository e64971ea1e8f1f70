// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Other nodes that may hold what is wanted, and want what is held. peer/ knows them; archive/ only
// says what it is called.

#include <memory>
#include <string>
#include <string_view>

#include "fetch/fetch.h"
#include "http/server.h"

namespace aptward::archive {

class Archive;

/// What nodes ask each other begins so.
inline constexpr std::string_view kNeighbourPaths = "/.well-known/aptward/";

/// Whether it is another node that asks. Any thread.
inline bool is_for_neighbours(const http::Target& target)
{
    return target.path.starts_with(kNeighbourPaths);
}

/// Any thread.
class Neighbours {
public:
    virtual ~Neighbours() = default;

    /// Whether there is anybody who may be asked now.
    virtual bool has_any() const = 0;

    /// Adds those who may have a file that a release lists under this path
    /// ("main/binary-amd64/Packages.xz").
    virtual void add_index(fetch::Want& want, std::string_view path) const = 0;
    /// The same for a file that an index lists under this path.
    virtual void add_pool(fetch::Want& want, std::string_view path) const = 0;

    /// What clients get has changed: those who wait for it are told.
    virtual void note_changed() = 0;

    /// A release was accepted whose indexes are fetched now: those who wait for one of them are
    /// told.
    virtual void note_awaited() = 0;

    /// Control loop: begins to offer the archive the releases of this suite that they are known to
    /// have.
    virtual void look_for(const std::shared_ptr<Archive>& archive, const std::string& suite) = 0;
    /// Operators decided something: what was refused before may count now.
    virtual void try_again() = 0;

    /// Whether they may ask from this address, although no client may. Any thread.
    virtual bool admits(const std::string& address) const = 0;
    /// Answers what one of them asks. The loop aside.
    virtual http::Async<void> answer(http::Exchange& exchange) = 0;
};

}  // namespace aptward::archive
