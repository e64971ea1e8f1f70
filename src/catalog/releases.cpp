// SPDX-License-Identifier: GPL-3.0-or-later
// releases/<id>/{InRelease,Release,Release.gpg,release.json}; release.json is written last and
// makes the folder valid.
#include "base/file.h"
#include "base/log.h"
#include "catalog/descriptions.h"
#include "crypto/crypto.h"

namespace aptward::catalog {
namespace {

using Json = nlohmann::json;
constexpr const char* kDescription = "release.json";

bool is_id(std::string_view text)
{
    return text.size() == 64 && parse_digest(text, 0).has_value();
}

// What is there already is not written again; what is damaged is.
Result<void> put_text(const std::filesystem::path& file, const std::string& text)
{
    if (text.empty())
        return {};
    const auto known = read_file(file, crypto::kMaxReleaseBytes);
    if (known && *known == text)
        return {};
    if (!known && known.error().code() != Errc::not_found)
        log_error("store.failed", {}, known.error().message() + "; it is written again");
    return write_file_durably(file, text);
}

Result<std::string> get_text(const std::filesystem::path& file)
{
    auto text = read_file(file, crypto::kMaxReleaseBytes);
    if (!text && text.error().code() == Errc::not_found)
        return std::string();
    return text;
}

}  // namespace

std::string to_json(const Releases::Stored& release)
{
    const Json description = {{"archive", release.archive},
                              {"suite", release.suite},
                              {"source", release.source},
                              {"accepted", to_unix(release.accepted)},
                              {"unverified", release.is_unverified}};
    return description.dump() + "\n";
}

Result<Releases::Stored> parse_stored(std::string_view json)
{
    return parse_description<Releases::Stored>(
        json, [](const Json& object, Releases::Stored& stored) {
            stored.archive = object.value("archive", "");
            stored.suite = object.value("suite", "");
            stored.source = object.value("source", "");
            stored.accepted = time_in(object, "accepted");
            stored.is_unverified = object.value("unverified", false);
        });
}

Result<Releases> Releases::open(const std::filesystem::path& state)
{
    TRY_VOID(make_directories(state / "releases"));
    return Releases(state / "releases");
}

Releases Releases::look_at(const std::filesystem::path& state)
{
    return Releases(state / "releases");
}

// Archives share this folder, and the id is of the text alone: an unproven signature never takes
// the place of a proven one.
Result<void> Releases::put(const Stored& release) const
{
    if (release.is_unverified)
        if (const auto known = get(release.id); known && !known->is_unverified)
            return {};
    const auto folder = folder_ / release.id;
    TRY_VOID(make_directories(folder));
    TRY_VOID(put_text(folder / "InRelease", release.files.inrelease));
    TRY_VOID(put_text(folder / "Release", release.files.release));
    TRY_VOID(put_text(folder / "Release.gpg", release.files.release_gpg));
    TRY_VOID(put_text(folder / kDescription, to_json(release)));
    return sync_directory(folder_);
}

Result<Releases::Stored> Releases::get(const std::string& id) const
{
    if (!is_id(id))
        return fail(Errc::malformed, "\"" + id + "\" is not the id of a release");
    const auto folder = folder_ / id;
    TRY(const std::string text, read_file(folder / kDescription, 1 << 16));
    auto parsed = parse_stored(text);
    if (!parsed)
        return tl::unexpected<Error>(
            std::move(parsed).error().within((folder / kDescription).string()));
    Stored stored = std::move(*parsed);
    stored.id = id;
    TRY(stored.files.inrelease, get_text(folder / "InRelease"));
    TRY(stored.files.release, get_text(folder / "Release"));
    TRY(stored.files.release_gpg, get_text(folder / "Release.gpg"));
    return stored;
}

bool Releases::has(const Stored& release) const
{
    const auto there = get(release.id);
    const auto is_there = [](const std::string& wanted, const std::string& found) {
        return wanted.empty() || wanted == found;
    };
    return there && is_there(release.files.inrelease, there->files.inrelease) &&
           is_there(release.files.release, there->files.release) &&
           is_there(release.files.release_gpg, there->files.release_gpg);
}

std::vector<Releases::Stored> Releases::all() const
{
    std::vector<Stored> found;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end;
         it.increment(error)) {
        const std::string id = it->path().filename().string();
        auto stored = get(id);
        if (stored)
            found.push_back(std::move(*stored));
        else if (is_id(id) && stored.error().code() != Errc::not_found)
            log_warning("releases.damaged", {{"release", id}}, stored.error().message());
    }
    return found;
}

Result<GenerationPtr> recall_generation(const Releases& releases, const std::string& id,
                                        const std::set<std::string>& journalled,
                                        const std::vector<std::string>& signers)
{
    TRY(auto stored, releases.get(id));
    auto text = stored.files.inrelease.empty()
                    ? crypto::join_detached(stored.files.release, stored.files.release_gpg)
                    : crypto::split_clearsigned(stored.files.inrelease);
    if (!text && stored.is_unverified)
        text = crypto::SignedText{stored.files.release, ""};
    if (!text)
        return tl::unexpected<Error>(text.error());
    TRY(auto release, trust::recall(std::move(*text), journalled,
                                    stored.is_unverified ? std::vector<std::string>() : signers));
    return std::make_shared<const Generation>(std::move(release), std::move(stored.files),
                                              stored.accepted, stored.source);
}

}  // namespace aptward::catalog
