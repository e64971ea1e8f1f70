// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/strangers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "http/message.h"

namespace aptward::archive {
namespace {

std::string url_of(const Strangers::Place& place)
{
    return (place.is_https ? "https://" : "http://") + place.host + place.folder;
}

}  // namespace

std::string archive_folder(std::string_view path)
{
    std::size_t end = std::min(path.find("/dists/"), path.find("/pool/"));
    if (end == std::string_view::npos)
        end = path == "/" ? 0 : std::min(path.find('/', 1), path.size());
    return std::string(path.substr(0, end));
}

void Strangers::note(const std::string& host, const std::string& path, bool is_https,
                     const std::string& client, SystemTime now)
{
    Place seen;
    seen.host = host;
    seen.folder = archive_folder(path);
    seen.is_https = is_https;
    const std::string url = url_of(seen);
    const std::lock_guard lock(mutex_);
    if (places_.count(url) == 0 && places_.size() >= kMostPlaces)
        return;
    Place& place = places_.try_emplace(url, std::move(seen)).first->second;
    ++place.requests;
    place.last = now;
    if (place.clients.size() < kMostClients)
        place.clients.insert(client);
}

std::vector<Strangers::Place> Strangers::all() const
{
    std::vector<Place> places;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [url, place] : places_)
            places.push_back(place);
    }
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
        return std::pair(b.clients.size(), url_of(a)) < std::pair(a.clients.size(), url_of(b));
    });
    return places;
}

std::string Strangers::save() const
{
    std::string text;
    for (const Place& place : all())
        text += fmt::format("{} {} {} {} {} {}\n", place.is_https ? "https" : "http", place.host,
                            place.folder.empty() ? "/" : http::encode_path(place.folder),
                            place.requests, to_unix(place.last), fmt::join(place.clients, " "));
    return text;
}

void Strangers::restore(std::string_view text)
{
    const std::lock_guard lock(mutex_);
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const auto fields = words(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        // A folder may have blanks: it is written as in a request.
        const auto folder =
            http::parse_target("GET", fields.size() < 5 ? std::string_view() : fields[2]);
        if (!folder || folder->path.empty())
            continue;
        Place place;
        place.is_https = fields[0] == "https";
        place.host = fields[1];
        place.folder = folder->path == "/" ? "" : folder->path;
        place.requests = parse_number(fields[3]).value_or(0);
        place.last = from_unix(parse_number<std::int64_t>(fields[4]).value_or(0));
        for (std::size_t i = 5; i < fields.size(); ++i)
            place.clients.emplace(fields[i]);
        places_.insert_or_assign(url_of(place), std::move(place));
    }
}

}  // namespace aptward::archive
