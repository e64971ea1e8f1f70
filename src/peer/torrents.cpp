// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/torrents.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "deb/deb.h"

namespace aptward::peer {
namespace {

constexpr std::string_view kFirstLine = "aptward-torrent/v1";
constexpr std::string_view kEnding = ".torrent";
// A line for each file beside the torrent itself; paths are as long as indexes may have them.
constexpr std::uint64_t kMostStoredBytes =
    swarm::kMostTorrentBytes + swarm::kMostTorrentFiles * std::uint64_t{4200};

std::string_view take_line(std::string_view& rest)
{
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    return line;
}

// "KEY VALUE"; nothing for another key.
std::optional<std::string> take_value(std::string_view& rest, std::string_view key)
{
    const std::string_view line = take_line(rest);
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ')
        return std::nullopt;
    return std::string(line.substr(key.size() + 1));
}

}  // namespace

std::string to_text(const Torrent& torrent)
{
    std::string text = fmt::format("{}\narchive {}\nwhat {}\npublished {}\n", kFirstLine,
                                   torrent.archive, torrent.what, to_unix(torrent.published));
    for (const std::string& path : torrent.paths)
        text += fmt::format("path {}\n", path);
    return text + "\n" + to_torrent(torrent.metainfo);
}

Result<Torrent> parse_stored_torrent(std::string_view text)
{
    Torrent torrent;
    const bool is_one = take_line(text) == kFirstLine;
    auto archive = take_value(text, "archive"), what = take_value(text, "what");
    const auto published = parse_number<std::int64_t>(take_value(text, "published").value_or(""));
    while (is_one && torrent.paths.size() < swarm::kMostTorrentFiles && text.starts_with("path "))
        torrent.paths.push_back(take_value(text, "path").value_or(""));
    const bool are_clean =
        std::all_of(torrent.paths.begin(), torrent.paths.end(), [](const std::string& path) {
            return !path.empty() && deb::clean_relative_path(path) == path;
        });
    if (!is_one || !archive || !what || !published || !are_clean || !take_line(text).empty())
        return fail(Errc::malformed, "it is no published torrent");
    torrent.archive = std::move(*archive);
    torrent.what = std::move(*what);
    torrent.published = from_unix(*published);
    TRY(torrent.metainfo, swarm::parse_torrent(text));
    if (torrent.metainfo.files.size() != torrent.paths.size())
        return fail(Errc::malformed, "it has no path for each file");
    return torrent;
}

std::filesystem::path Torrents::path_of(std::string_view info_hash) const
{
    return folder_ / fmt::format("{}{}", info_hash, kEnding);
}

std::vector<std::string> Torrents::load()
{
    std::vector<std::string> none;
    auto all = std::make_shared<ByHash>();
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end;
         it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (!name.ends_with(kEnding))  // half written when a power cut came
            continue;
        const auto text = read_file(it->path(), kMostStoredBytes);
        auto torrent = text ? parse_stored_torrent(*text) : tl::unexpected<Error>(text.error());
        const std::string hash = torrent ? info_hash_of(torrent->metainfo) : "";
        if (hash + std::string(kEnding) == name && all->size() < kMostTorrents)
            all->emplace(hash, std::make_shared<const Torrent>(std::move(*torrent)));
        else
            none.push_back(name);
    }
    const std::lock_guard lock(changing_);
    all_ = std::move(all);
    return none;
}

Result<std::string> Torrents::publish(Torrent torrent)
{
    const std::string hash = info_hash_of(torrent.metainfo);
    const std::lock_guard lock(changing_);
    auto all = std::make_shared<ByHash>(*all_.load());
    if (all->count(hash) > 0)
        return hash;
    if (all->size() >= kMostTorrents)
        return fail(Errc::stale, fmt::format("{} torrents are published, as many as a node has: "
                                             "stop one first (aptward swarm stop)",
                                             all->size()));
    TRY_VOID(make_directories(folder_));
    TRY_VOID(write_file_durably(path_of(hash), to_text(torrent), 0600));
    all->emplace(hash, std::make_shared<const Torrent>(std::move(torrent)));
    all_ = std::move(all);
    return hash;
}

Result<void> Torrents::stop(const std::string& info_hash)
{
    const std::lock_guard lock(changing_);
    auto all = std::make_shared<ByHash>(*all_.load());
    if (all->erase(info_hash) == 0)
        return fail(Errc::not_found, "this node publishes no torrent " + printable(info_hash) +
                                         ": aptward swarm list names those it does");
    std::error_code error;
    if (!std::filesystem::remove(path_of(info_hash), error) && error)
        return fail_errno("removing a published torrent", error.value());
    TRY_VOID(sync_directory(folder_));
    all_ = std::move(all);
    return {};
}

Torrents::TorrentPtr Torrents::find(std::string_view info_hash) const
{
    const auto all = all_.load();
    const auto found = all->find(info_hash);
    return found == all->end() ? nullptr : found->second;
}

std::optional<AskedFile> Torrents::find(const AskedShare& asked) const
{
    const TorrentPtr torrent = find(asked.info_hash);
    if (torrent == nullptr)
        return std::nullopt;
    const auto& files = torrent->metainfo.files;
    for (std::size_t i = 0; i < files.size(); ++i)
        if (torrent->metainfo.path_of(files[i]) == asked.path)
            return AskedFile{AskedFile::Kind::pool, files[i].digest, torrent->paths[i]};
    return std::nullopt;
}

}  // namespace aptward::peer
