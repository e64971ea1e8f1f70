// SPDX-License-Identifier: GPL-3.0-or-later
// The manual and the completions say everything that the command line and the settings know. The
// tests ask the same tree, so that a new command or key is covered the day it is added.
#include <gmock/gmock.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>

#include "cli/commands.h"
#include "cli/manual.h"
#include "cli/roff.h"
#include "node/config.h"

namespace aptward::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

CommandWords whole_program()
{
    CLI::App app;
    Action action;
    add_commands(app, action);
    return describe(app);
}

std::string page(const std::string& file)
{
    for (const ManualPage& candidate : make_manual(whole_program(), "2026-01-31"))
        if (candidate.file() == file)
            return candidate.roff;
    ADD_FAILURE() << "there is no page " << file;
    return "";
}

void each_command(const CommandWords& command,
                  const std::function<void(const CommandWords&)>& visit)
{
    visit(command);
    for (const CommandWords& below : command.commands)
        each_command(below, visit);
}

TEST(Manual, EveryCommandHasAPageThatNamesItsOptions)
{
    for (const CommandWords& command : whole_program().commands) {
        const std::string roff = page("aptward-" + command.name + ".1");
        EXPECT_THAT(page("aptward.1"), HasSubstr(bold("aptward-" + command.name) + "(1)"));
        each_command(command, [&](const CommandWords& one) {
            EXPECT_THAT(roff, HasSubstr(bold(one.path)));
            for (const OptionWords& option : one.options) {
                EXPECT_NE(option.description, "") << one.path;
                for (const std::string& name : option.names)
                    EXPECT_THAT(roff, HasSubstr(bold(name))) << one.path;
                if (option.is_positional()) {
                    EXPECT_THAT(roff, HasSubstr(italic(option.value))) << one.path;
                }
            }
        });
    }
}

TEST(Manual, EveryKeyOfTheConfigurationIsOnItsPage)
{
    const std::string roff = page("aptward.toml.5");
    for (const node::ConfigKey& key : node::config_keys()) {
        EXPECT_THAT(roff, HasSubstr(bold(key.name) + " = " + italic(key.type)));
        EXPECT_THAT(roff, HasSubstr(roff_escaped(key.meaning)));
        EXPECT_THAT(roff, HasSubstr(roff_escaped(key.standard)));
    }
}

TEST(Manual, ProseAndExamplesSpeakOnlyOfWhatThereIs)
{
    const CommandWords program = whole_program();
    for (const CommandProse& prose : command_prose()) {
        const std::string name = prose.command;
        const bool is_there =
            name.empty() || std::any_of(program.commands.begin(), program.commands.end(),
                                        [&](const CommandWords& one) { return one.name == name; });
        EXPECT_TRUE(is_there) << name;
    }
    const auto& keys = node::config_keys();
    for (const KeyExample& example : key_examples()) {
        const bool is_there = std::any_of(keys.begin(), keys.end(), [&](const auto& key) {
            return std::string(key.section) == example.section &&
                   std::string(key.name) == example.name;
        });
        EXPECT_TRUE(is_there) << example.section << "." << example.name;
    }
}

TEST(Manual, EveryCommandHasProseOfItsOwn)
{
    for (const CommandWords& command : whole_program().commands) {
        const auto& all = command_prose();
        const auto found = std::find_if(all.begin(), all.end(), [&](const CommandProse& prose) {
            return prose.command == command.name;
        });
        ASSERT_NE(found, all.end()) << command.name;
        EXPECT_GT(std::string(found->description).size(), 60U) << command.name;
        if (command.name != "doctor" && command.name != "scrub") {
            EXPECT_NE(std::string(found->examples), "") << command.name;
        }
    }
}

TEST(Manual, HiddenCommandsAreNotShown)
{
    EXPECT_THAT(page("aptward.1"), Not(HasSubstr(roff_escaped("aptward-manual"))));
    for (const char* shell : {"bash", "zsh", "fish"})
        EXPECT_THAT(completion_script(whole_program(), shell), Not(HasSubstr("aptward manual")));
}

// Every line of the example without its '#', checked by the real reader.
TEST(Manual, TheExampleConfigurationUncommentedIsRight)
{
    std::string text;
    std::string example = example_configuration();
    for (std::size_t start = 0; start < example.size();) {
        const std::size_t end = example.find('\n', start);
        const std::string line = example.substr(start, end - start);
        if (line.size() > 1 && line[0] == '#' && line[1] != ' ')
            text += line.substr(1) + "\n";
        start = end + 1;
    }
    std::string name = testing::TempDir() + "aptward-example-XXXXXX";
    const int file = ::mkstemp(name.data());
    ASSERT_GE(file, 0);
    ::close(file);
    std::ofstream(name) << text;
    for (const node::Mistake& mistake : node::read_config(name).mistakes) {
        // Which files and users a machine has is not the example's business.
        const bool is_about_the_machine =
            mistake.message.find("No such file") != std::string::npos ||
            mistake.message.find("there is no file") != std::string::npos ||
            mistake.message.find("this machine has no user") != std::string::npos;
        EXPECT_TRUE(is_about_the_machine) << mistake.where << ": " << mistake.message;
    }
    std::remove(name.c_str());
}

TEST(Completion, EveryShellKnowsEveryCommandAndOption)
{
    const CommandWords program = whole_program();
    for (const char* shell : {"bash", "zsh", "fish"}) {
        const std::string script = completion_script(program, shell);
        each_command(program, [&](const CommandWords& command) {
            EXPECT_THAT(script, HasSubstr(command.name)) << shell;
            for (const OptionWords& option : command.options)
                for (const std::string& name : option.names)
                    EXPECT_THAT(script, HasSubstr(name.substr(name.find_first_not_of('-'))))
                        << shell << ": " << command.path;
        });
    }
}

TEST(Roff, NothingInTheTextIsTakenForARequest)
{
    EXPECT_EQ(roff_escaped(".so /etc/passwd"), "\\&.so \\%/etc/passwd");
    EXPECT_EQ(roff_escaped("a\\fB--b\n'c"), "a\\efB\\-\\-b\n\\(aqc");
    RoffPage made("a", 1, "2026-01-31", "b");
    made.prose("One.\n\n    .two\n\nThree.");
    EXPECT_THAT(made.text(), HasSubstr("One.\n.PP\n.EX\n    \\&.two\n.EE\n.PP\nThree.\n"));
}

TEST(Tree, TheAcceptedValuesOfAnOptionAreKnown)
{
    CLI::App app("", "program");
    std::string value;
    app.add_option("--shape", value)->check(CLI::IsMember({"round", "square"}))->required();
    const CommandWords words = describe(app);
    ASSERT_EQ(words.options.size(), 2U);
    EXPECT_EQ(words.options[1].names, std::vector<std::string>{"--shape"});
    EXPECT_THAT(words.options[1].choices, testing::ElementsAre("round", "square"));
    EXPECT_TRUE(words.options[1].is_required);
    EXPECT_EQ(words.options[1].value, "TEXT");
    EXPECT_EQ(without_capital("Show archives."), "show archives");
    EXPECT_EQ(without_capital("URL of a mirror"), "URL of a mirror");
}

}  // namespace
}  // namespace aptward::cli
