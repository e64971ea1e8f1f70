// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward completion`: scripts for bash, zsh and fish, made from the command line's own words.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>

#include "cli/commands.h"
#include "cli/tree.h"

namespace aptward::cli {
namespace {

using EachCommand = std::function<void(const CommandWords&)>;

void walk(const CommandWords& command, const EachCommand& visit)
{
    visit(command);
    for (const CommandWords& below : command.commands)
        walk(below, visit);
}

std::string replaced(std::string text, const std::string& from, const std::string& to)
{
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

// One word of bash or zsh.
std::string quoted(const std::string& text)
{
    return "'" + replaced(text, "'", "'\\''") + "'";
}

// One word of fish.
std::string fish_quoted(const std::string& text)
{
    return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

// "'aptward serve' | 'aptward config'": every path but the program's own.
std::string paths(const CommandWords& program, const std::string& between,
                  std::string (*quote)(const std::string&))
{
    std::string list;
    walk(program, [&](const CommandWords& command) {
        if (&command != &program)
            list += (list.empty() ? "" : between) + quote(command.path);
    });
    return list;
}

std::string candidates(const CommandWords& command)
{
    std::vector<std::string> list;
    for (const CommandWords& below : command.commands)
        list.push_back(below.name);
    for (const OptionWords& option : command.options) {
        const auto& own = option.is_positional() ? option.choices : option.names;
        list.insert(list.end(), own.begin(), own.end());
    }
    return fmt::format("{}", fmt::join(list, " "));
}

std::string bash_script(const CommandWords& program)
{
    std::string values, words;
    walk(program, [&](const CommandWords& command) {
        for (const OptionWords& option : command.options) {
            if (!option.takes_value())
                continue;
            std::vector<std::string> patterns;
            for (const std::string& name : option.names)
                patterns.push_back(quoted(command.path + " " + name));
            const std::string choices = fmt::format("{}", fmt::join(option.choices, " "));
            // Without words of its own, `complete -o default` offers the names of files.
            values += fmt::format("        {}) words={} is_value=1 ;;\n",
                                  fmt::join(patterns, " | "), quoted(choices));
        }
        words += fmt::format("            {}) words={} ;;\n", quoted(command.path),
                             quoted(candidates(command)));
    });
    const std::string script = R"(# bash completion of aptward; made by `aptward completion bash`

_aptward()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local path=aptward words='' is_value='' at
    for ((at = 1; at < COMP_CWORD; at++)); do
        case "$path ${COMP_WORDS[at]}" in
            @PATHS@) path="$path ${COMP_WORDS[at]}" ;;
        esac
    done
    case "$path $previous" in
@VALUES@    esac
    if [ -z "$is_value" ]; then
        case "$path" in
@WORDS@        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o bashdefault -o default -F _aptward aptward
)";
    return replaced(
        replaced(replaced(script, "@PATHS@", paths(program, " | ", quoted)), "@VALUES@", values),
        "@WORDS@", words);
}

// "_aptward_config_check"
std::string function_name(const CommandWords& command)
{
    return "_" + replaced(replaced(command.path, " ", "_"), "-", "_");
}

// _arguments gives a meaning to these in its words.
std::string zsh_escaped(std::string text)
{
    for (const char* special : {"\\", ":", "[", "]"})
        text = replaced(text, special, std::string("\\") + special);
    return text;
}

std::string zsh_action(const OptionWords& option)
{
    if (!option.choices.empty())
        return fmt::format("({})", fmt::join(option.choices, " "));
    return option.is_directory ? "_files -/" : "_files";
}

std::string zsh_arguments(const CommandWords& command)
{
    std::string arguments;
    for (const OptionWords& option : command.options) {
        const std::string value =
            option.value.empty() ? "" : ":" + zsh_escaped(option.value) + ":" + zsh_action(option);
        if (option.is_positional() && command.commands.empty())
            arguments += " \\\n        " + quoted((option.is_repeated ? "*" : "") + value);
        const std::string others =
            option.is_repeated ? "*" : fmt::format("({})", fmt::join(option.names, " "));
        for (const std::string& name : option.names)
            arguments += " \\\n        " + quoted(others + name + "[" +
                                                  zsh_escaped(option.description) + "]" + value);
    }
    return arguments;
}

std::string zsh_script(const CommandWords& program)
{
    std::string script = "#compdef aptward\n# Made by `aptward completion zsh`\n";
    walk(program, [&](const CommandWords& command) {
        script += fmt::format("\n{}() {{\n", function_name(command));
        if (command.commands.empty()) {
            script += fmt::format("    _arguments{}\n}}\n", zsh_arguments(command));
            return;
        }
        std::string names, branches;
        for (const CommandWords& below : command.commands) {
            names += "\n                " +
                     quoted(below.name + ":" + replaced(below.description, ":", "\\:"));
            branches +=
                fmt::format("                {}) {} ;;\n", below.name, function_name(below));
        }
        script += fmt::format(R"(    local curcontext=$curcontext state line
    local -a commands
    typeset -A opt_args
    _arguments -C{} \
        '1:command:->command' '*::argument:->argument'
    case $state in
        command)
            commands=({})
            _describe command commands
            ;;
        argument)
            case $line[1] in
{}            esac
            ;;
    esac
}}
)",
                              zsh_arguments(command), names, branches);
    });
    return script + "\n_aptward \"$@\"\n";
}

std::string fish_script(const CommandWords& program)
{
    std::string script = R"(# fish completion of aptward; made by `aptward completion fish`

function __aptward_is_at
    set -l path aptward
    for word in (commandline -opc)[2..-1]
        switch "$path $word"
            case @PATHS@
                set path "$path $word"
        end
    end
    test "$path" = "$argv[1]"
end

)";
    script = replaced(script, "@PATHS@", paths(program, " ", fish_quoted));
    walk(program, [&](const CommandWords& command) {
        const std::string start =
            fmt::format("complete -c aptward -n \"__aptward_is_at '{}'\"", command.path);
        for (const CommandWords& below : command.commands)
            script += fmt::format("{} -f -a {} -d {}\n", start, below.name,
                                  fish_quoted(below.description));
        for (const OptionWords& option : command.options) {
            if (option.is_positional() && option.choices.empty())
                continue;  // fish offers the names of files by itself.
            std::string names;
            for (const std::string& name : option.names)
                names +=
                    name.substr(0, 2) == "--" ? " -l " + name.substr(2) : " -s " + name.substr(1);
            if (!option.choices.empty())
                names += fmt::format(" {} -a '{}'", option.is_positional() ? "-f" : "-x",
                                     fmt::join(option.choices, " "));
            else if (option.takes_value())
                names += " -r";
            script += fmt::format("{}{} -d {}\n", start, names, fish_quoted(option.description));
        }
    });
    return script;
}

}  // namespace

std::string completion_script(const CommandWords& program, const std::string& shell)
{
    if (shell == "zsh")
        return zsh_script(program);
    return shell == "fish" ? fish_script(program) : bash_script(program);
}

void add_completion(CLI::App& app, Action& action)
{
    auto shell = std::make_shared<std::string>();
    CLI::App* command =
        app.add_subcommand("completion", "Print a script that completes commands in a shell");
    command->add_option("shell", *shell, "Shell that the script is for")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->callback([&app, &action, shell] {
        action = [&app, shell] {
            std::fputs(completion_script(describe(app), *shell).c_str(), stdout);
            return kOk;
        };
    });
}

}  // namespace aptward::cli
