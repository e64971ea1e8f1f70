// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The manual: one page for the program, one for each command, one for the configuration file. All
// are made from the command line's own words and from the table of settings. Private to cli/.

#include <string>
#include <vector>

#include "cli/tree.h"

namespace aptward::cli {

struct ManualPage {
    std::string name;  ///< "aptward-status"
    int section = 1;
    std::string roff;

    std::string file() const { return name + "." + std::to_string(section); }
};

/// Every page of `program`. `date` ("2026-11-24") stands at the foot of each. Pure.
std::vector<ManualPage> make_manual(const CommandWords& program, const std::string& date);

/// A configuration file in which every key stands with its meaning and default, commented out.
std::string example_configuration();

/// What the command line cannot say of itself: a description and examples, in RoffPage::prose's
/// form. Either may be empty. A command without an entry gets a page all the same.
struct CommandProse {
    const char* command;  ///< "status"
    const char* description;
    const char* examples;
};
const std::vector<CommandProse>& command_prose();

/// A value to show for a key whose default says little.
struct KeyExample {
    const char* section;
    const char* name;
    const char* value;
};
const std::vector<KeyExample>& key_examples();

/// A named part of a page that is the same whatever commands there are.
struct ManualSection {
    const char* title;
    const char* prose;
};
const std::vector<ManualSection>& program_sections();
const std::vector<ManualSection>& configuration_sections();

}  // namespace aptward::cli
