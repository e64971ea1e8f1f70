// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/messages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <optional>

#include "base/text.h"

namespace aptward::peer {
namespace {

constexpr std::string_view kFirstLine = "aptward-peer/v1";
constexpr std::size_t kMostProtocols = 16;
constexpr std::int64_t kLatest = 32'503'680'000'000;  // the year 3000, in milliseconds

// "key value" lines below the first; a key that stands twice makes the text malformed.
Result<std::map<std::string_view, std::string_view>> read_lines(std::string_view text)
{
    std::map<std::string_view, std::string_view> lines;
    bool is_first = true;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (std::exchange(is_first, false)) {
            if (line != kFirstLine)
                return fail(Errc::malformed, "it is no note of a node");
            continue;
        }
        const std::size_t blank = line.find(' ');
        if (blank == std::string_view::npos || blank == 0)
            return fail(Errc::malformed, "a line of its note has no value");
        if (!lines.emplace(line.substr(0, blank), line.substr(blank + 1)).second)
            return fail(Errc::malformed, "a line stands twice in its note");
    }
    return lines;
}

std::optional<std::vector<unsigned>> read_protocols(std::string_view text)
{
    std::vector<unsigned> protocols;
    for (const std::string_view word : words(text)) {
        const auto number = parse_number<unsigned>(word);
        if (!number || protocols.size() == kMostProtocols)
            return std::nullopt;
        protocols.push_back(*number);
    }
    return protocols;
}

Result<NodeText> parse_text(std::string_view text)
{
    TRY(const auto lines, read_lines(text));
    const auto value = [&lines](std::string_view key) {
        const auto found = lines.find(key);
        return found == lines.end() ? std::string_view() : found->second;
    };
    TRY(auto key, tlog::VerifierKey::parse(value("node")));
    const auto time = parse_number<std::int64_t>(value("time"));
    auto protocols = read_protocols(value("protocols"));
    if (!time || *time > kLatest || !protocols || value("run").empty() || value("nonce").empty())
        return fail(Errc::malformed, "its note lacks what a node says of itself");
    return NodeText{
        std::move(key),        std::string(value("run")),        std::string(value("program")),
        std::move(*protocols), std::chrono::milliseconds(*time), std::string(value("nonce"))};
}

}  // namespace

std::string to_text(const NodeText& node)
{
    return fmt::format("{}\nnode {}\nrun {}\nprogram {}\nprotocols {}\ntime {}\nnonce {}\n",
                       kFirstLine, node.key.to_string(), node.run, node.program,
                       fmt::join(node.protocols, " "), node.time.count(), node.nonce);
}

Result<NodeText> read_node(std::string_view bytes, std::string_view nonce)
{
    if (bytes.size() > kMaxNodeBytes)
        return fail(Errc::malformed, "its note is longer than 4 kB");
    TRY(const tlog::Note note, tlog::parse_note(bytes));
    TRY(auto node, parse_text(note.text));
    TRY_VOID(tlog::verify(note, {node.key}));
    if (node.nonce != nonce)
        return fail(Errc::untrusted, "its note answers somebody else");
    return node;
}

}  // namespace aptward::peer
