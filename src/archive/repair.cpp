// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/repair.h"

#include <algorithm>
#include <set>

#include "archive/mass_fetch.h"
#include "archive/remembered.h"
#include "http/blocking.h"

namespace aptward::archive {
namespace {

bool has_hash(const Digest& digest, const Digest& wanted)
{
    return digest.algorithm == wanted.algorithm && digest.hash == wanted.hash;
}

// What a generation calls these bytes; nothing when it does not name them.
std::optional<fetch::Want> find_want(const Archive& archive, const std::string& suite,
                                     const catalog::Generation& generation, const Digest& wanted)
{
    for (const auto& [path, file] : generation.release().files)
        for (const Digest& digest : file.digests)
            if (has_hash(digest, wanted))
                return archive.want_of(suite, generation, file);
    std::optional<fetch::Want> found;
    for (const auto& [base, table] : generation.tables()) {
        const auto read = table->each([&](std::string_view path, const Digest& digest) {
            if (found || !has_hash(digest, wanted))
                return;
            found = archive.want_of(digest);
            found->paths.push_back(http::encode_path(std::string(path)));
        });
        if (found || !read)
            break;
    }
    return found;
}

std::vector<catalog::GenerationPtr> all_of(const catalog::SuiteView& suite)
{
    std::vector<catalog::GenerationPtr> all;
    if (suite.current)
        all.push_back(suite.current);
    all.insert(all.end(), suite.recent.begin(), suite.recent.end());
    return all;
}

}  // namespace

Result<void> Repair::fetch(const std::shared_ptr<Archive>& archive, const fetch::Want& want)
{
    auto fetching = std::make_shared<MassFetch>(
        archive, services_.fetcher,
        MassFetch::Options{1, [want](std::size_t) { return want; }, nullptr});
    const auto make = [fetching] { return fetching->run(); };
    const auto done = http::block_on(services_.control, "repairing", make, goes_on_);
    if (!done)
        fetching->stop();
    TRY_VOID(done);
    if (!fetching->failures().empty())
        return tl::unexpected<Error>(fetching->failures().front().error);
    return {};
}

Result<void> Repair::fetch(const std::string& hex)
{
    const auto wanted = parse_digest(hex, 0);
    Result<void> outcome = fail(Errc::not_found, "no release at hand names it");
    if (!wanted)
        return outcome;
    for (const auto& archive : archives_()) {
        const auto view = archive->view();
        for (const auto& [name, suite] : view->suites)
            for (const catalog::GenerationPtr& generation : all_of(suite)) {
                const auto want = find_want(*archive, name, *generation, *wanted);
                if (!want)
                    continue;
                outcome = fetch(archive, *want);
                if (outcome || !goes_on_())
                    return outcome;
                break;  // another archive may have a source that has it
            }
    }
    return outcome;
}

// Those of which there is a table, and those that clients use: a lost table says of no index that
// it is needed.
std::size_t Repair::fetch_missing_indexes()
{
    const Remembered remembered = remember(services_, [this](const auto& id) { return find(id); });
    std::size_t missing = 0;
    for (const auto& archive : archives_()) {
        const auto view = archive->view();
        for (const auto& [name, suite] : view->suites) {
            if (!suite.current)
                continue;
            std::set<std::string> bases;
            for (const auto& [base, table] : suite.current->tables())
                bases.insert(base);
            if (const auto known = remembered.suites.find({archive->settings().id, name});
                known != remembered.suites.end())
                for (const std::string& used : known->second.used)
                    bases.insert(std::string(deb::without_compression(used)));
            for (const std::string& base : bases)
                missing += fetch_if_missing(archive, name, *suite.current, base) ? 1 : 0;
        }
    }
    return missing;
}

bool Repair::fetch_if_missing(const std::shared_ptr<Archive>& archive, const std::string& suite,
                              const catalog::Generation& generation, const std::string& base)
{
    const deb::ListedFile* first = nullptr;
    for (const char* suffix : {".xz", ".zst", ".gz", ".bz2", ".lzma", ""}) {
        const deb::ListedFile* file = generation.release().find(base + suffix);
        if (file != nullptr && archive->may_use(file->digests.front()))
            return false;
        first = first == nullptr ? file : first;
    }
    if (first == nullptr || !goes_on_())
        return false;
    const auto ignored = fetch(archive, archive->want_of(suite, generation, *first));
    return true;
}

std::shared_ptr<Archive> Repair::find(const std::string& id) const
{
    for (const auto& archive : archives_())
        if (archive->settings().id == id)
            return archive;
    return nullptr;
}

}  // namespace aptward::archive
