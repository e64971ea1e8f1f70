// SPDX-License-Identifier: GPL-3.0-or-later
// refused/<id>/{InRelease,Release,Release.gpg,refused.json}; refused.json is written last and makes
// the folder valid.
#include "catalog/refused.h"

#include <algorithm>

#include "base/file.h"
#include "catalog/descriptions.h"

namespace aptward::catalog {
namespace {

using Json = nlohmann::json;
constexpr const char* kDescription = "refused.json";

bool is_id(std::string_view text)
{
    return text.size() == 64 && parse_digest(text, 0).has_value();
}

Result<void> put_text(const std::filesystem::path& file, std::string& text, std::uint64_t& room,
                      bool& is_cut)
{
    if (text.size() > room) {
        text.resize(static_cast<std::size_t>(room));
        is_cut = true;
    }
    room -= text.size();
    return text.empty() ? Result<void>() : write_file_durably(file, text);
}

Result<std::string> get_text(const std::filesystem::path& file)
{
    auto text = read_file(file, kLargestRefused);
    if (!text && text.error().code() == Errc::not_found)
        return std::string();
    return text;
}

}  // namespace

std::string to_json(const Refused::Entry& entry)
{
    const Json description = {{"archive", entry.archive}, {"suite", entry.suite},
                              {"source", entry.source},   {"code", entry.code},
                              {"message", entry.message}, {"time", to_unix(entry.time)},
                              {"cut", entry.is_cut}};
    return description.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Refused::Entry> parse_refused(std::string_view json)
{
    return parse_description<Refused::Entry>(json, [](const Json& object, Refused::Entry& entry) {
        entry.archive = object.value("archive", "");
        entry.suite = object.value("suite", "");
        entry.source = object.value("source", "");
        entry.code = object.value("code", "");
        entry.message = object.value("message", "");
        entry.time = time_in(object, "time");
        entry.is_cut = object.value("cut", false);
    });
}

Result<Refused> Refused::open(const std::filesystem::path& state)
{
    TRY_VOID(make_directories(state / "refused"));
    return Refused(state / "refused");
}

Refused Refused::look_at(const std::filesystem::path& state)
{
    return Refused(state / "refused");
}

Result<void> Refused::put(Entry entry) const
{
    if (!is_id(entry.id))
        return fail(Errc::malformed, "\"" + entry.id + "\" cannot name evidence");
    const auto known = describe(entry.id);
    if (known && known->code == entry.code)
        return {};
    const auto folder = folder_ / entry.id;
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    make_room();
    TRY_VOID(make_directories(folder));
    std::uint64_t room = kLargestRefused;
    TRY_VOID(put_text(folder / "InRelease", entry.files.inrelease, room, entry.is_cut));
    TRY_VOID(put_text(folder / "Release.gpg", entry.files.release_gpg, room, entry.is_cut));
    TRY_VOID(put_text(folder / "Release", entry.files.release, room, entry.is_cut));
    TRY_VOID(write_file_durably(folder / kDescription, to_json(entry)));
    return sync_directory(folder_);
}

Result<Refused::Entry> Refused::describe(const std::string& id) const
{
    if (!is_id(id))
        return fail(Errc::malformed, "\"" + id + "\" names no evidence");
    TRY(const std::string text, read_file(folder_ / id / kDescription, 1 << 20));
    auto entry = parse_refused(text);
    if (!entry)
        return tl::unexpected<Error>(
            std::move(entry).error().within((folder_ / id / kDescription).string()));
    entry->id = id;
    return entry;
}

Result<Refused::Entry> Refused::get(const std::string& id) const
{
    TRY(Entry entry, describe(id));
    TRY(entry.files.inrelease, get_text(folder_ / id / "InRelease"));
    TRY(entry.files.release, get_text(folder_ / id / "Release"));
    TRY(entry.files.release_gpg, get_text(folder_ / id / "Release.gpg"));
    return entry;
}

std::vector<Refused::Entry> Refused::all() const
{
    std::vector<Entry> found;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end;
         it.increment(error))
        if (auto entry = describe(it->path().filename().string()))
            found.push_back(std::move(*entry));
    std::sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) {
        return a.time != b.time ? a.time < b.time : a.id < b.id;
    });
    return found;
}

// What a crash left without description goes first.
void Refused::make_room() const
{
    std::error_code ignored;
    std::vector<std::filesystem::path> unfinished;
    for (std::filesystem::directory_iterator it(folder_, ignored), end; !ignored && it != end;
         it.increment(ignored))
        if (!std::filesystem::exists(it->path() / kDescription))
            unfinished.push_back(it->path());
    for (const auto& path : unfinished)
        std::filesystem::remove_all(path, ignored);
    const std::vector<Entry> kept = all();
    for (std::size_t i = 0; i + kMostRefused <= kept.size(); ++i)
        std::filesystem::remove_all(folder_ / kept[i].id, ignored);
}

}  // namespace aptward::catalog
