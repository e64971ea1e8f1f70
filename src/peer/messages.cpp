// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/messages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/lines.h"
#include "base/text.h"

namespace aptward::peer {
namespace {

constexpr std::string_view kNodeLine = "aptward-peer/v1";
constexpr std::string_view kHeadsLine = "aptward-heads/v1";
constexpr std::size_t kMostProtocols = 16;
constexpr std::int64_t kLatest = 32'503'680'000;  // the year 3000
constexpr std::size_t kIdDigits = 64;

/// The lines below the first, each "KEY VALUE".
using Lines = std::vector<std::pair<std::string_view, std::string_view>>;

Result<Lines> read_lines(std::string_view text, std::string_view first)
{
    Lines lines;
    bool is_first = true;
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        if (std::exchange(is_first, false)) {
            if (line != first)
                return fail(Errc::malformed, "its note is of another kind");
            continue;
        }
        const std::size_t blank = line.find(' ');
        if (blank == std::string_view::npos || blank == 0)
            return fail(Errc::malformed, "a line of its note has no value");
        lines.emplace_back(line.substr(0, blank), line.substr(blank + 1));
    }
    return lines;
}

// Empty when it is missing, or stands there twice.
std::string_view value_of(const Lines& lines, std::string_view key)
{
    std::string_view value;
    for (const auto& [name, text] : lines)
        if (name == key && !value.empty())
            return {};
        else if (name == key)
            value = text;
    return value;
}

bool is_word(std::string_view text)
{
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// "ID DATE FORMS SUITE ARCHIVE"; FORMS are 'i' for InRelease and 'd' for the detached one.
std::optional<Head> read_head(std::string_view text)
{
    const auto parts = words(text);
    if (parts.size() < 5)  // a later version may say more
        return std::nullopt;
    const auto id = parse_digest(parts[0], 0);
    const auto date = parse_number<std::int64_t>(parts[1]);
    const std::string_view forms = parts[2];
    if (parts[0].size() != kIdDigits || !id || id->hex() != parts[0] || !date || *date > kLatest ||
        (forms != "i" && forms != "d" && forms != "id"))
        return std::nullopt;
    return Head{std::string(parts[0]), from_unix(*date),      forms.front() == 'i',
                forms.back() == 'd',   std::string(parts[3]), std::string(parts[4])};
}

// The info hash; a later version may say more behind it.
std::optional<std::string> read_torrent(std::string_view text)
{
    const auto parts = words(text);
    const auto hash = parts.empty() ? std::nullopt : parse_digest(parts[0], 0);
    if (!hash || parts[0].size() != kIdDigits || hash->hex() != parts[0])
        return std::nullopt;
    return hash->hex();
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

Result<NodeText> parse_node(std::string_view text)
{
    TRY(const Lines lines, read_lines(text, kNodeLine));
    TRY(auto key, tlog::VerifierKey::parse(value_of(lines, "node")));
    const auto time = parse_number<std::int64_t>(value_of(lines, "time"));
    auto protocols = read_protocols(value_of(lines, "protocols"));
    const std::string_view run = value_of(lines, "run"), nonce = value_of(lines, "nonce");
    if (!time || *time / 1000 > kLatest || !protocols || run.empty() || nonce.empty())
        return fail(Errc::malformed, "its note lacks what a node says of itself");
    return NodeText{std::move(key),
                    std::string(run),
                    std::string(value_of(lines, "program")),
                    std::move(*protocols),
                    std::chrono::milliseconds(*time),
                    std::string(nonce)};
}

Result<Heads> parse_heads(std::string_view text)
{
    TRY(const Lines lines, read_lines(text, kHeadsLine));
    TRY(auto key, tlog::VerifierKey::parse(value_of(lines, "node")));
    const auto number = parse_number(value_of(lines, "number"));
    const std::string_view run = value_of(lines, "run");
    if (!number || run.empty())
        return fail(Errc::malformed, "its note lacks whose releases these are");
    Heads heads{std::move(key), std::string(run), *number, {}};
    heads.have = parse_number(value_of(lines, "have")).value_or(0);
    for (const auto& [name, value] : lines) {
        if (name == "torrent") {
            const auto hash = read_torrent(value);
            if (!hash || heads.torrents.size() == kMostToldTorrents)
                return fail(Errc::malformed,
                            "its note has a torrent in no known form, or too many");
            heads.torrents.push_back(*hash);
        }
        if (name != "head")
            continue;
        auto head = read_head(value);
        if (!head || heads.heads.size() == kMostHeads)
            return fail(Errc::malformed, "its note has a release in no known form, or too many");
        heads.heads.push_back(std::move(*head));
    }
    return heads;
}

}  // namespace

bool can_be_told(const Head& head)
{
    return is_word(head.suite) && is_word(head.archive);
}

std::string to_text(const NodeText& node)
{
    return fmt::format("{}\nnode {}\nrun {}\nprogram {}\nprotocols {}\ntime {}\nnonce {}\n",
                       kNodeLine, node.key.to_string(), node.run, node.program,
                       fmt::join(node.protocols, " "), node.time.count(), node.nonce);
}

Result<NodeText> read_node(std::string_view bytes, std::string_view nonce)
{
    if (bytes.size() > kMaxNodeBytes)
        return fail(Errc::malformed, "its note is longer than 4 kB");
    TRY(const tlog::Note note, tlog::parse_note(bytes));
    TRY(auto node, parse_node(note.text));
    TRY_VOID(tlog::verify(note, {node.key}));
    if (node.nonce != nonce)
        return fail(Errc::untrusted, "its note answers somebody else");
    return node;
}

std::string to_text(const Heads& heads)
{
    std::string text = fmt::format("{}\nnode {}\nrun {}\nnumber {}\n", kHeadsLine,
                                   heads.key.to_string(), heads.run, heads.number);
    if (heads.have > 0)
        text += fmt::format("have {}\n", heads.have);
    for (const Head& head : heads.heads)
        text += fmt::format("head {} {} {}{} {} {}\n", head.id, to_unix(head.date),
                            head.has_inrelease ? "i" : "", head.has_detached ? "d" : "", head.suite,
                            head.archive);
    for (const std::string& info_hash : heads.torrents)
        text += fmt::format("torrent {}\n", info_hash);
    return text;
}

Result<Heads> read_heads(std::string_view bytes, const tlog::VerifierKey& key)
{
    TRY(const tlog::Note note, tlog::parse_note(bytes));
    TRY(auto heads, parse_heads(note.text));
    if (heads.key != key)
        return fail(Errc::untrusted, "the note is another node's");
    TRY_VOID(tlog::verify(note, {key}));
    return heads;
}

}  // namespace aptward::peer
