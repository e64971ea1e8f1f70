// SPDX-License-Identifier: GPL-3.0-or-later
// Puts the pages together. Nothing here knows a command, an option or a key by name.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/version.h"
#include "cli/manual.h"
#include "cli/roff.h"
#include "node/config.h"

namespace aptward::cli {
namespace {

const ManualSection kExitStatus = {
    "EXIT STATUS",
    "0 for yes or done, 1 for no or something found, 2 for a mistake in the command line or in "
    "the configuration, 3 when it could not be told, for example because no node runs."};

std::string page_name(const CommandWords& command)
{
    std::string name = command.path;
    std::replace(name.begin(), name.end(), ' ', '-');
    return name;
}

std::string reference(const std::string& page, int section)
{
    return bold(page) + fmt::format("({})", section);
}

std::string source()
{
    return "aptward " + std::string(version());
}

// "--config FILE" as it is typed.
std::string usage_of(const OptionWords& option)
{
    if (option.is_positional())
        return italic(option.value);
    std::string usage = bold(option.names.back());
    if (option.takes_value())
        usage += " " + italic(option.value);
    return usage;
}

bool is_help(const OptionWords& option)
{
    return std::find(option.names.begin(), option.names.end(), "--help") != option.names.end();
}

void add_synopsis(RoffPage& page, const CommandWords& command)
{
    std::string line = bold(command.path);
    const auto add = [&](bool is_positional) {
        for (const OptionWords& option : command.options) {
            if (is_help(option) || option.is_positional() != is_positional)
                continue;
            const std::string usage = usage_of(option) + (option.is_repeated ? " \\&..." : "");
            line += option.is_required ? " " + usage : " [" + usage + "]";
        }
    };
    add(false);
    add(true);
    if (!command.commands.empty())
        line += command.needs_command ? " " + italic("COMMAND") : " [" + italic("COMMAND") + "]";
    page.line(line);
}

void add_options(RoffPage& page, const CommandWords& command)
{
    for (const OptionWords& option : command.options) {
        std::string tag;
        if (option.is_positional())
            tag = italic(option.value);
        for (const std::string& name : option.names)
            tag += (tag.empty() ? "" : ", ") + bold(name);
        if (option.takes_value())
            tag += " " + italic(option.value);
        std::string text = option.description;
        if (!text.empty() && text.back() != '.')
            text += ".";
        if (!option.choices.empty())
            text += fmt::format(" Accepted: {}.", fmt::join(option.choices, ", "));
        if (option.is_repeated)
            text += " May be given several times.";
        if (!option.standard.empty())
            text += " Default: " + option.standard + ".";
        page.item(tag, text);
    }
}

const CommandProse* prose_of(const std::string& name)
{
    const auto& all = command_prose();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const CommandProse& one) { return name == one.command; });
    return found == all.end() ? nullptr : &*found;
}

void add_description(RoffPage& page, const CommandWords& command, const CommandProse* prose)
{
    page.heading("DESCRIPTION");
    if (prose != nullptr && *prose->description != '\0')
        page.prose(prose->description);
    else
        page.prose(command.description + ".");
    if (!command.footer.empty())
        page.prose("\n" + command.footer);
}

// What is below a command: each with its own synopsis and options.
void add_subcommands(RoffPage& page, const CommandWords& command)
{
    for (const CommandWords& below : command.commands) {
        page.subheading(below.path);
        add_synopsis(page, below);
        page.prose("\n" + below.description + ".");
        add_options(page, below);
        add_subcommands(page, below);
    }
}

void add_see_also(RoffPage& page, const std::vector<std::string>& references)
{
    page.heading("SEE ALSO");
    page.line(fmt::format("{}", fmt::join(references, ", ")));
}

void add_sections(RoffPage& page, const std::vector<ManualSection>& sections)
{
    for (const ManualSection& section : sections) {
        page.heading(section.title);
        page.prose(section.prose);
    }
}

ManualPage command_page(const CommandWords& command, const std::string& date)
{
    const std::string name = page_name(command);
    const CommandProse* prose = prose_of(command.name);
    RoffPage page(name, 1, date, source());
    page.heading("NAME");
    page.line(roff_escaped(name) + " \\- " + roff_escaped(without_capital(command.description)));
    page.heading("SYNOPSIS");
    add_synopsis(page, command);
    add_description(page, command, prose);
    page.heading("OPTIONS");
    add_options(page, command);
    if (!command.commands.empty()) {
        page.heading("COMMANDS");
        add_subcommands(page, command);
    }
    add_sections(page, {kExitStatus});
    if (prose != nullptr && *prose->examples != '\0')
        add_sections(page, {{"EXAMPLES", prose->examples}});
    add_see_also(page, {reference("aptward", 1), reference("aptward.toml", 5)});
    return {name, 1, page.text()};
}

ManualPage program_page(const CommandWords& program, const std::string& date)
{
    RoffPage page(program.name, 1, date, source());
    page.heading("NAME");
    page.line(program.name + " \\- verifying, failing\\-over proxy node for apt archives");
    page.heading("SYNOPSIS");
    add_synopsis(page, program);
    add_description(page, program, prose_of(""));
    page.heading("OPTIONS");
    add_options(page, program);
    page.heading("COMMANDS");
    std::vector<std::string> references;
    for (const CommandWords& command : program.commands) {
        references.push_back(reference(page_name(command), 1));
        page.item(references.back(), command.description + ".");
    }
    add_sections(page, {kExitStatus});
    add_sections(page, program_sections());
    references.push_back(reference("aptward.toml", 5));
    references.push_back(reference("apt.conf", 5));
    references.push_back(reference("sources.list", 5));
    add_see_also(page, references);
    return {program.name, 1, page.text()};
}

// The value that shows how a key is written.
std::string example_of(const node::ConfigKey& key)
{
    for (const KeyExample& example : key_examples())
        if (std::strcmp(example.section, key.section) == 0 &&
            std::strcmp(example.name, key.name) == 0)
            return example.value;
    return key.standard;
}

// The sections of config_keys() in their order.
std::vector<std::string> sections_of_keys()
{
    std::vector<std::string> sections;
    for (const node::ConfigKey& key : node::config_keys())
        if (std::find(sections.begin(), sections.end(), key.section) == sections.end())
            sections.emplace_back(key.section);
    return sections;
}

ManualPage configuration_page(const std::string& date)
{
    RoffPage page("aptward.toml", 5, date, source());
    page.heading("NAME");
    page.line("aptward.toml \\- configuration of an aptward node");
    add_sections(page, configuration_sections());
    for (const std::string& section : sections_of_keys()) {
        page.heading(section.empty() ? "KEYS AT THE TOP" : "KEYS OF [[" + section + "]]");
        for (const node::ConfigKey& key : node::config_keys()) {
            if (section != key.section)
                continue;
            std::string text = fmt::format("{}\n", key.meaning);
            if (*key.standard != '\0')
                text += fmt::format("Default: {}", key.standard);
            else
                text += std::strcmp(key.required, "(required)") == 0 ? "Required." : key.required;
            const std::string example = example_of(key);
            if (example != key.standard)
                text += fmt::format("\n\n    {} = {}\n", key.name, example);
            page.item(bold(key.name) + " = " + italic(key.type), text);
        }
    }
    add_see_also(page, {reference("aptward", 1), reference("aptward-serve", 1),
                        reference("aptward-config", 1)});
    return {"aptward.toml", 5, page.text()};
}

}  // namespace

std::vector<ManualPage> make_manual(const CommandWords& program, const std::string& date)
{
    std::vector<ManualPage> pages = {program_page(program, date)};
    for (const CommandWords& command : program.commands)
        pages.push_back(command_page(command, date));
    pages.push_back(configuration_page(date));
    return pages;
}

std::string example_configuration()
{
    std::string text =
        "# Configuration of aptward; aptward.toml(5) tells more. Every key has a default: as this\n"
        "# file stands, the node serves the archives of this machine's own apt sources.\n"
        "# `aptward config check` says what is wrong with it; a reload takes it whole or not at "
        "all.\n";
    for (const std::string& section : sections_of_keys()) {
        if (!section.empty())
            text += "\n#[[" + section + "]]\n";
        for (const node::ConfigKey& key : node::config_keys()) {
            if (section != key.section)
                continue;
            const std::string value = *key.standard == '\0' ? example_of(key) : key.standard;
            text += fmt::format("\n# {} ({})\n#{} = {}\n", key.meaning, key.type, key.name, value);
        }
    }
    return text;
}

}  // namespace aptward::cli
