// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The command line as plain words: what the man pages and the completions are made of, so that a
// command or an option is written down once, where it is added. Private to cli/.

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace aptward::cli {

/// An option, or a positional argument when `names` is empty.
struct OptionWords {
    std::vector<std::string> names;  ///< "-h", "--help": as they are typed.
    std::string value;               ///< "TEXT", "FILE"; of a flag empty; an argument's own name.
    std::string description;
    std::string standard;              ///< The default, when the command says it.
    std::vector<std::string> choices;  ///< The only values accepted; empty: any.
    bool is_required = false;
    bool is_repeated = false;
    bool is_directory = false;  ///< The value is the name of a directory.

    bool is_positional() const { return names.empty(); }
    bool takes_value() const { return !is_positional() && !value.empty(); }
};

struct CommandWords {
    std::string path;  ///< "aptward config check"
    std::string name;  ///< "check"
    std::string description;
    std::string footer;
    std::vector<OptionWords> options;
    std::vector<CommandWords> commands;  ///< Without the hidden ones.
    bool needs_command = false;          ///< One of `commands` must be given.
};

/// The words of `app` and of everything below it. Pure.
CommandWords describe(const CLI::App& app);

/// What follows is for the tools that turn words into files.

/// "show archives" for "Show archives": a sentence without its capital, unless that is a name.
std::string without_capital(const std::string& sentence);

/// The completion script of `shell`: "bash", "zsh" or "fish". Pure.
std::string completion_script(const CommandWords& program, const std::string& shell);

}  // namespace aptward::cli
