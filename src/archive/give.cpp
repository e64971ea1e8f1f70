// SPDX-License-Identifier: GPL-3.0-or-later
// What other nodes are asked for and given: nothing that anybody needs credentials for.
#include <algorithm>

#include "archive/apt_cache.h"
#include "archive/archive.h"
#include "archive/blob_service.h"
#include "archive/names.h"
#include "archive/neighbours.h"
#include "archive/past.h"

namespace aptward::archive {
namespace {

// By any of its digests; null when these bytes are not what is listed there.
const deb::ListedFile* find_listed(const catalog::Generation& generation, const Digest& digest,
                                   std::string_view path)
{
    const deb::ListedFile* const file = generation.release().find(path);
    const bool is_it = file != nullptr && std::find(file->digests.begin(), file->digests.end(),
                                                    digest) != file->digests.end();
    return is_it ? file : nullptr;
}

// Of the text itself where the release lists it, else of the first of its forms, so that all nodes
// come to the same one.
std::string name_of_text(const deb::Release& release, const std::string& base)
{
    constexpr std::size_t kDigits = 64;
    for (const char* ending : {"", ".xz", ".gz", ".zst", ".bz2", ".lzma"})
        if (const deb::ListedFile* const file = release.find(base + ending))
            return file->digests.front().hex().substr(0, kDigits);
    return "";
}

}  // namespace

// Also the name of what is wanted is nobody else's business then.
bool Archive::is_for_everybody() const
{
    const auto& upstreams = settings_.upstreams;
    return !settings_.is_private &&
           std::all_of(upstreams.begin(), upstreams.end(),
                       [](const fetch::SourceSettings& one) { return one.user.empty(); });
}

// What is not proven here is nobody else's either.
bool Archive::may_share() const
{
    return is_for_everybody() && settings_.verify == Verify::enforce && !is_retired_;
}

bool Archive::may_ask_others() const
{
    return may_share() && !is_alone_;
}

const Neighbours* Archive::neighbours() const
{
    return may_ask_others() ? services_.neighbours : nullptr;
}

void Archive::add_service(fetch::Want& want) const
{
    if (services_.blob_service != nullptr && may_ask_others())
        services_.blob_service->add(want);
}

bool Archive::has_others() const
{
    const Neighbours* const near = neighbours();
    const BlobService* const service = services_.blob_service;
    return (near != nullptr && near->has_any()) ||
           (may_ask_others() && service != nullptr && service->is_readable());
}

// apt may have got it with a password: an archive that anybody may read has to list it, and prove
// it.
void Archive::add_apt_cache(fetch::Want& want) const
{
    if (services_.apt_cache != nullptr && may_put_away(want.digest))
        services_.apt_cache->add(want);
}

std::optional<fetch::Want> Archive::want_of_apt(const Digest& digest) const
{
    fetch::Want want;
    want.digest = digest;
    want.archive = settings_.id;
    want.is_kept = false;  // it is here already
    want.is_for_another = true;
    add_apt_cache(want);
    return want.elsewhere.empty() ? std::nullopt : std::optional(std::move(want));
}

bool Archive::may_put_away(const Digest& digest) const
{
    return may_share() && services_.private_marks.may_give(digest, settings_.id);
}

void Archive::tell_neighbours() const
{
    if (services_.neighbours != nullptr)
        services_.neighbours->note_changed();
}

void Archive::ask_neighbours_again() const
{
    if (services_.neighbours != nullptr)
        services_.neighbours->try_again();
}

// Null: nothing. A freeze is for other nodes too.
std::shared_ptr<const catalog::ArchiveView> Archive::given() const
{
    if (!may_share())
        return nullptr;
    if (const FrozenPtr frozen = past_->frozen())
        return {frozen->past, &frozen->past->view};
    return view_.load();
}

// With those before the current ones: clients may have one of them.
void Archive::for_each_given(
    const std::function<void(const std::string& suite, const catalog::GenerationPtr& generation)>&
        visit) const
{
    const auto view = given();
    if (view == nullptr)
        return;
    for (const auto& [name, suite] : view->suites) {
        if (suite.current != nullptr)
            visit(name, suite.current);
        for (const auto& generation : suite.recent)
            visit(name, generation);
    }
}

std::map<std::string, catalog::GenerationPtr> Archive::given_releases() const
{
    std::map<std::string, catalog::GenerationPtr> releases;
    if (const auto view = given())
        for (const auto& [name, suite] : view->suites)
            if (suite.current != nullptr)
                releases.emplace(name, suite.current);
    return releases;
}

catalog::GenerationPtr Archive::find_given_release(std::string_view id) const
{
    catalog::GenerationPtr found;
    for_each_given([&](const std::string&, const catalog::GenerationPtr& generation) {
        if (generation->id() == id)
            found = generation;
    });
    return found;
}

std::optional<Archive::Given> Archive::find_given_index(const Digest& digest,
                                                        std::string_view path) const
{
    std::optional<Given> found;
    for_each_given([&](const std::string& suite, const catalog::GenerationPtr& generation) {
        if (const auto* file = find_listed(*generation, digest, path))
            found = Given{suite_folder(suite) + file->path, generation->id()};
    });
    return found;
}

std::vector<Archive::GivenTable> Archive::given_tables() const
{
    std::vector<GivenTable> current, earlier;
    const auto view = given();
    if (view == nullptr)
        return current;
    const auto add = [](const catalog::Generation& generation, std::vector<GivenTable>& to) {
        for (const auto& [base, table] : generation.tables())
            if (auto name = name_of_text(generation.release(), base); !name.empty())
                to.push_back({std::move(name), table});
    };
    for (const auto& [name, suite] : view->suites) {
        if (suite.current != nullptr)
            add(*suite.current, current);
        for (const auto& generation : suite.recent)
            add(*generation, earlier);
    }
    current.insert(current.end(), earlier.begin(), earlier.end());
    return current;
}

std::optional<Archive::Errand> Archive::index_errand(const Digest& digest,
                                                     std::string_view path) const
{
    std::optional<Errand> errand;
    const auto look = [&](const std::string& suite, const catalog::GenerationPtr& generation) {
        if (const auto* file = find_listed(*generation, digest, path))
            errand = Errand{{suite_folder(suite) + file->path, generation->id()},
                            want_index(suite, *generation, *file)};
    };
    for_each_given(look);
    // A frozen archive gets what is new, and gives none of it.
    if (!errand && may_share() && past_->frozen() == nullptr)
        awaited_.for_each([&](const Awaited::Release& one) { look(one.suite, one.generation); });
    if (errand)
        errand->want.is_for_another = true;
    return errand;
}

std::optional<Archive::Given> Archive::find_given_pool(const Digest& digest,
                                                       std::string_view path) const
{
    const auto view = given();
    const auto found = view == nullptr ? Result<std::optional<Digest>>() : view->find_pool(path);
    if (!found || *found != digest)
        return std::nullopt;
    return Given{std::string(path), {}};
}

std::optional<Archive::Errand> Archive::pool_errand(const Digest& digest,
                                                    std::string_view path) const
{
    bool is_listed = find_given_pool(digest, path).has_value();
    if (!is_listed && may_share() && past_->frozen() == nullptr)
        awaited_.for_each([&](const Awaited::Release& one) {
            const auto found = one.generation->find_pool(path);
            is_listed = is_listed || (found && *found == digest);
        });
    if (!is_listed)
        return std::nullopt;
    Errand errand{{std::string(path), {}}, want_of(digest)};
    errand.want.paths.push_back(http::encode_path(path));
    errand.want.is_for_another = true;
    add_service(errand.want);
    return errand;
}

}  // namespace aptward::archive
