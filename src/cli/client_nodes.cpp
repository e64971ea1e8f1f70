// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes as a client machine sees them: their names, and whether they answer.
#include "base/text.h"
#include "cli/client_parts.h"
#include "cli/run_program.h"

namespace aptward::cli {
namespace {

constexpr std::string_view kHostLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
constexpr std::string_view kAddressLetters = "0123456789abcdefABCDEF:.";

}  // namespace

// The result stands inside quotes in a shell script: nothing but letters of hosts may pass.
Result<std::string> parse_node(std::string_view text)
{
    const std::string wanted = "\"" + printable(text) +
                               "\" is no node: write \"http://node.example:3142\" (an Aptward node "
                               "is asked by http; what it serves is signed)";
    std::string_view rest = text;
    if (rest.substr(0, 7) == "http://")
        rest.remove_prefix(7);
    while (!rest.empty() && rest.back() == '/')
        rest.remove_suffix(1);
    std::string_view host = rest.substr(0, rest.rfind(':'));
    std::string_view port = host.size() == rest.size() ? "3142" : rest.substr(host.size() + 1);
    const bool is_address = !rest.empty() && rest.front() == '[';
    if (is_address) {
        const std::size_t end = rest.find(']');
        if (end == std::string_view::npos || end < 3)
            return fail(Errc::malformed, wanted);
        host = rest.substr(0, end + 1);
        port = end + 1 == rest.size() ? "3142" : rest.substr(end + 2);
        if (end + 1 < rest.size() && rest[end + 1] != ':')
            return fail(Errc::malformed, wanted);
    }
    const std::string_view inside = is_address ? host.substr(1, host.size() - 2) : host;
    const bool is_host = !inside.empty() && inside.size() <= 253 && inside.front() != '-' &&
                         inside.find_first_not_of(is_address ? kAddressLetters : kHostLetters) ==
                             std::string_view::npos;
    const auto number = parse_number<std::uint16_t>(port);
    if (!is_host || !number || *number == 0)
        return fail(Errc::malformed, wanted);
    return "http://" + to_lower(host) + ":" + std::to_string(*number);
}

Result<std::vector<NodeReport>> ask_nodes(const std::vector<std::string>& nodes, const OwnPeer& own)
{
    TRY(const ProgramEnd end, run_program({"/bin/sh", "-c", detect_script(nodes, own),
                                           "aptward-proxy-detect", "--report"}));
    std::vector<NodeReport> reports;
    for (std::size_t start = 0; start < end.output.size();) {
        const std::size_t stop = std::min(end.output.find('\n', start), end.output.size());
        const std::string line = end.output.substr(start, stop - start);
        start = stop + 1;
        std::vector<std::string> fields{""};
        for (const char c : line) {
            if (c == '\t')
                fields.emplace_back();
            else
                fields.back() += c;
        }
        if (fields.size() != 4)
            continue;
        reports.push_back({fields[0], fields[1] == "yes",
                           parse_number<unsigned>(fields[2]).value_or(0), fields[3]});
    }
    if (reports.size() != nodes.size() + (own.url.empty() ? 0 : 1))
        return fail(Errc::unavailable, "the detect script cannot run: is /usr/bin/perl there?");
    return reports;
}

}  // namespace aptward::cli
