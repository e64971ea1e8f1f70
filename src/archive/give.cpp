// SPDX-License-Identifier: GPL-3.0-or-later
// What other nodes are asked for and given: nothing that anybody needs credentials for.
#include <algorithm>

#include "archive/archive.h"
#include "archive/names.h"
#include "archive/neighbours.h"
#include "archive/past.h"

namespace aptward::archive {

// Also the name of what is wanted is nobody else's business then.
bool Archive::is_for_everybody() const
{
    const auto& upstreams = settings_.upstreams;
    return !settings_.is_private &&
           std::all_of(upstreams.begin(), upstreams.end(),
                       [](const fetch::SourceSettings& one) { return one.user.empty(); });
}

const Neighbours* Archive::neighbours() const
{
    return is_for_everybody() ? services_.neighbours : nullptr;
}

// Null: nothing. A freeze is for other nodes too.
std::shared_ptr<const catalog::ArchiveView> Archive::given() const
{
    if (!is_for_everybody() || settings_.verify != Verify::enforce || is_retired_)
        return nullptr;
    if (const FrozenPtr frozen = past_->frozen())
        return {frozen->past, &frozen->past->view};
    return view_.load();
}

std::optional<Archive::Given> Archive::find_given_index(const Digest& digest,
                                                        std::string_view path) const
{
    const auto view = given();
    if (view == nullptr)
        return std::nullopt;
    for (const auto& [name, suite] : view->suites) {
        std::vector<catalog::GenerationPtr> generations{suite.current};
        generations.insert(generations.end(), suite.recent.begin(), suite.recent.end());
        for (const auto& generation : generations) {
            if (generation == nullptr)
                continue;
            const deb::ListedFile* const file = generation->release().find(path);
            if (file != nullptr && std::find(file->digests.begin(), file->digests.end(), digest) !=
                                       file->digests.end())
                return Given{suite_folder(name) + file->path, generation->id()};
        }
    }
    return std::nullopt;
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

}  // namespace aptward::archive
