// SPDX-License-Identifier: GPL-3.0-or-later
// What a node tells of its own state folder: notes, for as long as they hold, and events.
#include <fmt/format.h>

#include "node/node_parts.h"

namespace aptward::node {

void Node::Parts::tell(std::string code, std::string message) const
{
    catalog::Event event;
    event.code = std::move(code);
    event.message = std::move(message);
    events->add(std::move(event));
}

std::vector<std::string> Node::Parts::notes_of_state() const
{
    const std::size_t lost = state->journal_damage().lost_lines;
    if (lost == 0)
        return {};
    return {fmt::format(
        "{} lines of the journal are damaged, and the database has no copy of them: a freeze, a "
        "snapshot's name, an approval or the newest release may be forgotten; look at what is "
        "served and decide it again, then stop the node and take the damaged lines out of {}",
        lost, (config.state / "journal").string())};
}

void Node::Parts::tell_notes(const Config& from)
{
    std::vector<std::string> notes = notes_of_state();
    notes.insert(notes.end(), from.notes.begin(), from.notes.end());
    admin->set_notes(std::move(notes));
}

void Node::Parts::tell_of_state() const
{
    if (state->was_rebuilt())
        tell("state.rebuilt", "the state database was rebuilt from the journal");
    if (const std::size_t mended = state->journal_damage().mended_lines; mended > 0)
        tell("journal.mended", fmt::format("{} lines of the journal were damaged or gone and are "
                                           "back from the database",
                                           mended));
    for (const std::string& note : notes_of_state())
        tell("journal.damaged", note);
}

}  // namespace aptward::node
