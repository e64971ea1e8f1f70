// SPDX-License-Identifier: GPL-3.0-or-later
#include "catalog/catalog.h"

namespace aptward::catalog {
namespace {

std::string_view directory_of(std::string_view path)
{
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// A flat repository's names are relative to the URI that the client wrote, which may be its own
// folder ("http://host/repo ./") where this archive begins above it ("http://host").
Result<std::optional<Digest>> find_flat(const std::string& suite, const Generation& generation,
                                        std::string_view path)
{
    if (suite.size() < 2 || suite.back() != '/' || path.substr(0, suite.size()) != suite)
        return std::nullopt;
    for (std::size_t at = 0; (at = suite.find('/', at)) != std::string::npos;) {
        auto digest = generation.find_pool(path.substr(++at));
        if (!digest || *digest)
            return digest;
    }
    return std::nullopt;
}

std::string by_hash_key(std::string_view directory, std::string_view hex)
{
    std::string key(hex);
    return (key += ' ') += directory;
}

}  // namespace

Generation::Generation(trust::VerifiedRelease release, ReleaseFiles files, SystemTime accepted,
                       std::string origin_url)
    : release_(std::make_shared<const trust::VerifiedRelease>(std::move(release))),
      files_(std::move(files)),
      accepted_(accepted),
      origin_url_(std::move(origin_url))
{
    auto map = std::make_shared<std::unordered_map<std::string, const deb::ListedFile*>>();
    for (const auto& [path, file] : release_->release().files)
        for (const Digest& digest : file.digests)
            map->emplace(by_hash_key(directory_of(path), digest.hex()), &file);
    by_hash_ = std::move(map);
}

const deb::ListedFile* Generation::find_by_hash(std::string_view directory,
                                                std::string_view hex) const
{
    const auto found = by_hash_->find(by_hash_key(directory, hex));
    return found == by_hash_->end() ? nullptr : found->second;
}

std::shared_ptr<const Generation> Generation::with_files(ReleaseFiles files) const
{
    auto copy = std::shared_ptr<Generation>(new Generation(*this));
    copy->files_ = std::move(files);
    return copy;
}

std::shared_ptr<const Generation> Generation::with_table(const std::string& base,
                                                         std::shared_ptr<const Table> table) const
{
    auto copy = std::shared_ptr<Generation>(new Generation(*this));
    if (table != nullptr)
        copy->tables_[base] = std::move(table);
    else
        copy->tables_.erase(base);
    return copy;
}

Result<std::optional<Digest>> Generation::find_pool(std::string_view path) const
{
    Result<std::optional<Digest>> outcome;
    for (const auto& [base, table] : tables_) {
        auto digest = table->find(path);
        if (digest && *digest)
            return digest;
        if (!digest)
            outcome = std::move(digest);  // another table may still have it
    }
    return outcome;
}

bool is_tabled(std::string_view index_path)
{
    const auto kind = deb::classify_index(index_path).kind;
    return kind == deb::IndexKind::packages || kind == deb::IndexKind::sources;
}

std::string table_name(const deb::Release& release, const deb::ListedFile& index)
{
    const deb::ListedFile* plain = release.find(deb::without_compression(index.path));
    return (plain != nullptr ? *plain : index).digests.front().hex() + ".table";
}

const SuiteView* ArchiveView::find(std::string_view suite) const
{
    const auto found = suites.find(suite);
    return found == suites.end() ? nullptr : &found->second;
}

Result<std::optional<Digest>> ArchiveView::find_pool(std::string_view path) const
{
    Result<std::optional<Digest>> outcome;
    const auto is_found = [&](Result<std::optional<Digest>> digest) {
        const bool has_it = digest && *digest;
        if (has_it || !digest)
            outcome = std::move(digest);
        return has_it;
    };
    for (const auto& [name, suite] : suites)
        if (suite.current && is_found(suite.current->find_pool(path)))
            return outcome;
    for (const auto& [name, suite] : suites)
        for (const GenerationPtr& generation : suite.recent)
            if (is_found(generation->find_pool(path)))
                return outcome;
    for (const auto& [name, suite] : suites)
        if (suite.current && is_found(find_flat(name, *suite.current, path)))
            return outcome;
    for (const auto& [name, suite] : suites)
        for (const GenerationPtr& generation : suite.recent)
            if (is_found(find_flat(name, *generation, path)))
                return outcome;
    return outcome;
}

}  // namespace aptward::catalog
