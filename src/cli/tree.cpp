// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/tree.h"

#include <CLI/CLI.hpp>
#include <cctype>

namespace aptward::cli {
namespace {

// CLI11 writes the accepted values into the type: "TEXT:{enforce,observe}", "TEXT:{a->1,b->2}".
std::vector<std::string> choices_in(const std::string& type)
{
    const std::size_t start = type.find('{');
    const std::size_t end = type.find('}', start);
    std::vector<std::string> choices;
    if (start == std::string::npos || end == std::string::npos)
        return choices;
    for (std::string& choice : CLI::detail::split(type.substr(start + 1, end - start - 1), ','))
        choices.push_back(choice.substr(0, choice.find("->")));
    return choices;
}

OptionWords describe_option(const CLI::Option& option)
{
    OptionWords words;
    for (const std::string& name : option.get_snames())
        words.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames())
        words.names.push_back("--" + name);
    words.description = option.get_description();
    words.standard = option.get_default_str();
    words.is_required = option.get_required();
    words.is_repeated = option.get_items_expected_max() > 1;
    const std::string type = option.get_type_name();
    words.choices = choices_in(type);
    words.is_directory = type.find("DIR") != std::string::npos;
    if (words.is_positional())
        words.value = option.get_name(true);
    else if (option.get_items_expected_max() > 0)
        words.value = type.substr(0, type.find(':'));
    return words;
}

CommandWords describe_below(const CLI::App& app, const std::string& parent)
{
    CommandWords words;
    words.name = app.get_name();
    words.path = parent.empty() ? words.name : parent + " " + words.name;
    words.description = app.get_description();
    // CLI11 hands a footer down; only a command's own says something of it.
    const CLI::App* above = app.get_parent();
    if (above != nullptr && above->get_footer() != app.get_footer())
        words.footer = app.get_footer();
    words.needs_command = app.get_require_subcommand_min() > 0;
    for (const CLI::Option* option : app.get_options())
        if (!option->get_group().empty())  // An empty group is CLI11's way to hide.
            words.options.push_back(describe_option(*option));
    const auto is_shown = [](const CLI::App* command) {
        return !command->get_group().empty() && !command->get_name().empty();
    };
    for (const CLI::App* command : app.get_subcommands(is_shown))
        words.commands.push_back(describe_below(*command, words.path));
    return words;
}

}  // namespace

CommandWords describe(const CLI::App& app)
{
    return describe_below(app, "");
}

std::string without_capital(const std::string& sentence)
{
    std::string text = sentence;
    const auto letter = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const bool is_acronym = text.size() > 1 && std::isupper(letter(1)) != 0;
    if (!text.empty() && !is_acronym)
        text[0] = static_cast<char>(std::tolower(letter(0)));
    while (!text.empty() && text.back() == '.')
        text.pop_back();
    return text;
}

}  // namespace aptward::cli
