// SPDX-License-Identifier: GPL-3.0-or-later
// A pool file that no table lists yet: clients whose lists are current ask for packages without
// having fetched an index through this node. The indexes that may list it are read then; only when
// all of them were is it known to be unlisted (archive-reality 2).
#include <algorithm>
#include <tuple>

#include "archive/suite.h"

namespace aptward::archive {
namespace {

constexpr std::chrono::seconds kLookAgain{30};
// A name that follows no custom may stand anywhere. Everything is read of small archives only:
// anybody can make up such names.
constexpr std::size_t kMostLookedInto = 8;

// "amd64" of "foo_1.2-3_amd64.deb"; empty for what has no such name.
std::string_view architecture_of(std::string_view pool_path)
{
    const std::size_t dot = pool_path.rfind('.');
    const std::size_t underscore = pool_path.rfind('_');
    if (dot == std::string_view::npos || underscore == std::string_view::npos || underscore > dot ||
        pool_path.find('/', underscore) != std::string_view::npos)
        return {};
    return pool_path.substr(underscore + 1, dot - underscore - 1);
}

bool is_source_file(std::string_view pool_path)
{
    for (const char* suffix : {".deb", ".udeb", ".ddeb"})
        if (pool_path.ends_with(suffix))
            return false;
    return true;
}

using Indexes = std::vector<deb::IndexName>;

// Packages for all architectures stand in the index of each, where they have none of their own:
// one of a component is enough, and best one that is read already.
void keep_one_architecture(Indexes& indexes, const catalog::Generation& generation,
                           const std::string& native)
{
    const auto rank = [&](const deb::IndexName& index) {
        return generation.tables().count(index.base) != 0 ? 0
               : index.architecture == native             ? 1
                                                          : 2;
    };
    std::sort(indexes.begin(), indexes.end(), [&](const auto& a, const auto& b) {
        return std::tuple(a.component, rank(a), a.base) < std::tuple(b.component, rank(b), b.base);
    });
    const auto is_same = [](const auto& a, const auto& b) { return a.component == b.component; };
    indexes.erase(std::unique(indexes.begin(), indexes.end(), is_same), indexes.end());
}

// The indexes that by custom may list this file: of its component where the path names one
// ("pool/main/..."), of its architecture where the file does.
Indexes indexes_that_may_list(const catalog::Generation& generation, std::string_view pool_path,
                              const std::string& native)
{
    const auto wanted =
        is_source_file(pool_path) ? deb::IndexKind::sources : deb::IndexKind::packages;
    std::map<std::string, deb::IndexName> all;
    for (const auto& [path, file] : generation.release().files) {
        deb::IndexName index = deb::classify_index(path);
        if (index.kind == wanted)
            all.emplace(index.base, std::move(index));
    }
    Indexes indexes;
    for (const auto& [base, index] : all)
        indexes.push_back(index);
    const auto narrow = [&indexes](const auto& fits) {
        if (std::any_of(indexes.begin(), indexes.end(), fits))
            std::erase_if(indexes, [&](const deb::IndexName& index) { return !fits(index); });
    };
    narrow([&](const deb::IndexName& index) {
        return pool_path.starts_with("pool/" + index.component + "/");
    });
    if (wanted == deb::IndexKind::sources)
        return indexes;
    const std::string_view architecture = architecture_of(pool_path);
    narrow([&](const deb::IndexName& index) { return index.architecture == architecture; });
    const bool is_for_all =
        architecture == "all" && !indexes.empty() && indexes.front().architecture != architecture;
    if (is_for_all)
        keep_one_architecture(indexes, generation, native);
    return indexes;
}

}  // namespace

http::Async<bool> Suite::look_for(std::string generation_id, std::string pool_path)
{
    catalog::GenerationPtr generation = find_generation(generation_id);
    if (!generation)
        co_return false;
    const Indexes indexes = indexes_that_may_list(*generation, pool_path, services_.architecture);
    if (indexes.size() > kMostLookedInto)
        co_return false;
    bool is_known = true;
    for (const deb::IndexName& index : indexes) {
        const auto path = listed_form(generation->release(), index.base);
        const bool is_read = generation->tables().count(index.base) != 0;
        const std::string key = generation_id + index.base;
        if (!path || is_read || unpublished_.count(key) != 0)
            continue;
        SteadyTime& tried = tried_[key];
        if (tried == SteadyTime{} || steady_now() - tried >= kLookAgain) {
            tried = steady_now();
            auto step = [this, generation_id, path = *path] {
                return adopt_index_in_turn(generation_id, path);
            };
            co_await in_turn(turns_of(generation_id), std::move(step));
        }
        generation = find_generation(generation_id);
        if (!generation)
            co_return false;  // a revocation took it away, or nobody asked for it any more
        const auto table = generation->tables().find(index.base);
        if (table == generation->tables().end()) {
            is_known = is_known && unpublished_.count(key) != 0;
            continue;
        }
        const auto digest = table->second->find(pool_path);
        if (digest && *digest) {
            if (generation == view_.current) {
                co_await note_used(*path);  // somebody installs from it
            }
            co_return true;
        }
    }
    co_return is_known;
}

}  // namespace aptward::archive
