// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward token`: makes a token for a [[listener]]. Only its hash is ever written down.
#include <fmt/format.h>
#include <sys/random.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "cli/commands.h"
#include "crypto/crypto.h"
#include "http/principal.h"

namespace aptward::cli {
namespace {

struct Options {
    std::string name;
    std::string role = "viewer";
    bool is_json = false;
};

int make_token(const Options& options)
{
    std::uint8_t random[32];
    if (::getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) {
        std::fprintf(stderr, "aptward: the system gives no random bytes\n");
        return kUnknown;
    }
    const std::string token = to_hex(random, sizeof random);
    const std::string line =
        options.role + " " + options.name + " " + crypto::digest_of(token).hex();
    const auto is_fine = http::Tokens::parse(line);
    if (!is_fine) {
        std::fprintf(stderr,
                     "aptward: the name is 1 to 64 visible characters without blanks, the "
                     "role viewer, operator or admin\n");
        return kUsage;
    }
    if (options.is_json)
        fmt::print("{}\n", nlohmann::json({{"token", token}, {"line", line}}).dump());
    else
        fmt::print(
            "The token, shown this once; give it to {}:\n\n    {}\n\n"
            "The line for the file that the listener's `tokens` names (then reload the node):\n\n"
            "    {}\n",
            options.name, token, line);
    return kOk;
}

}  // namespace

void add_token(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("token", "Make a token for a listener, and the line that admits it");
    command->add_option("name", options->name, "Whose it is, as the records will say")->required();
    command->add_option("--role", options->role, "viewer, operator or admin (default: viewer)");
    command->add_flag("--json", options->is_json, "Print token and line as JSON");
    command->callback([&action, options] { action = [options] { return make_token(*options); }; });
}

}  // namespace aptward::cli
