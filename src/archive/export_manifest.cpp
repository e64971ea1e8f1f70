// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/export_manifest.h"

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "deb/deb.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLargestManifest = 1ULL << 30;  // guess: some 80 bytes a file

std::filesystem::path file_of(const std::filesystem::path& folder)
{
    return own_folder(folder) / "manifest.json";
}

Result<std::set<std::string>> read_paths(const Json& suite, const char* key)
{
    std::set<std::string> paths;
    const Json list = suite.value(key, Json::array());
    for (const Json& path : list) {
        // These files are removed one day: none may lie outside.
        const bool is_clean =
            path.is_string() && deb::clean_relative_path(path.get_ref<const std::string&>()) ==
                                    path.get_ref<const std::string&>();
        if (!is_clean)
            return fail(Errc::malformed, "it names a file outside of the folder");
        paths.insert(path.get<std::string>());
    }
    return paths;
}

}  // namespace

std::set<std::string> ExportManifest::files() const
{
    std::set<std::string> all;
    for (const auto& [name, suite] : suites) {
        all.insert(suite.pool.begin(), suite.pool.end());
        all.insert(suite.previous.begin(), suite.previous.end());
    }
    return all;
}

std::filesystem::path own_folder(const std::filesystem::path& folder)
{
    return folder / ".aptward";
}

std::string to_json(const ExportManifest& manifest)
{
    Json suites = Json::object();
    for (const auto& [name, suite] : manifest.suites)
        suites[name] = {{"generation", suite.generation},
                        {"pool", suite.pool},
                        {"previous", suite.previous},
                        {"by_hash", suite.by_hash},
                        {"whole", suite.is_whole}};
    return Json({{"archive", manifest.archive}, {"suites", suites}})
               .dump(1, ' ', false, Json::error_handler_t::replace) +
           "\n";
}

Result<ExportManifest> parse_manifest(const std::string& text)
{
    const Json json = Json::parse(text, nullptr, false);
    const bool is_right = json.is_object() && json.contains("archive") &&
                          json["archive"].is_string() && json.contains("suites") &&
                          json["suites"].is_object();
    if (!is_right)
        return fail(Errc::malformed, "it is no manifest");
    ExportManifest manifest;
    manifest.archive = json["archive"].get<std::string>();
    for (const auto& [name, entry] : json["suites"].items()) {
        if (!entry.is_object() || deb::clean_relative_path(name) != name)
            return fail(Errc::malformed, "it names no suite");
        ExportManifest::Suite& suite = manifest.suites[name];
        const auto generation = entry.find("generation");
        if (generation != entry.end() && generation->is_string())
            suite.generation = generation->get<std::string>();
        suite.is_whole = entry.find("whole") != entry.end() && entry["whole"] == true;
        TRY(suite.pool, read_paths(entry, "pool"));
        TRY(suite.previous, read_paths(entry, "previous"));
        TRY(suite.by_hash, read_paths(entry, "by_hash"));
    }
    return manifest;
}

Result<ExportManifest> read_manifest(const std::filesystem::path& folder)
{
    const auto text = read_file(file_of(folder), kLargestManifest);
    if (text) {
        auto manifest = parse_manifest(*text);
        if (!manifest)
            return tl::unexpected<Error>(
                std::move(manifest).error().within(file_of(folder).string()));
        return manifest;
    }
    if (text.error().code() != Errc::not_found)
        return tl::unexpected<Error>(text.error());
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error))
        if (entry->path() != own_folder(folder))  // of an export that was cut at its beginning
            return fail(Errc::stale, folder.string() +
                                         " is not empty, and what is in it was not exported by "
                                         "aptward: name another folder");
    return ExportManifest();
}

Result<void> write_manifest(const std::filesystem::path& folder, const ExportManifest& manifest)
{
    return write_file_durably(file_of(folder), to_json(manifest));
}

}  // namespace aptward::archive
