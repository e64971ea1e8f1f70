// SPDX-License-Identifier: GPL-3.0-or-later
#include "stock/requested.h"

#include <set>

#include "archive/index_table.h"

namespace aptward::stock {
namespace {

using Names = std::set<std::pair<std::string, std::string>>;  // package, architecture

Result<Names> held_names(const store::Blobs& blobs, const catalog::Generation& generation,
                         const std::string& base)
{
    Names names;
    TRY(const std::string text, archive::read_index(blobs, generation.release(), base));
    TRY_VOID(deb::scan_packages(text, [&](const deb::PoolFile& file) {
        if (!blobs.holds(file.digest))
            return;
        const deb::PackageFields fields = deb::read_package_fields(file.record);
        names.emplace(fields.package, fields.architecture);
    }));
    return names;
}

// The newest file of each name.
Result<std::vector<Needed>> newest_of(const store::Blobs& blobs,
                                      const catalog::Generation& generation,
                                      const std::string& base, const Names& names)
{
    std::map<std::pair<std::string, std::string>, Needed> newest;
    TRY(const std::string text, archive::read_index(blobs, generation.release(), base));
    TRY_VOID(deb::scan_packages(text, [&](const deb::PoolFile& file) {
        const deb::PackageFields fields = deb::read_package_fields(file.record);
        const std::pair key(std::string(fields.package), std::string(fields.architecture));
        if (names.count(key) == 0)
            return;
        Needed& known = newest[key];
        if (!known.version.empty() && deb::compare_versions(fields.version, known.version) <= 0)
            return;
        known.package = key.first;
        known.architecture = key.second;
        known.version = fields.version;
        known.path = file.path;
        known.digest = file.digest;
    }));
    std::vector<Needed> found;
    for (auto& [key, one] : newest)
        found.push_back(std::move(one));
    return found;
}

// Whether the index is the same file in both: then nothing in it has a successor.
bool is_unchanged(const catalog::Generation& before, const catalog::Generation& next,
                  const std::string& base)
{
    for (const auto& [path, file] : next.release().files) {
        if (deb::without_compression(path) != base)
            continue;
        const deb::ListedFile* old = before.release().find(path);
        return old != nullptr && old->digests.front() == file.digests.front();
    }
    return false;
}

}  // namespace

Result<std::vector<Needed>> find_successors(const store::Blobs& blobs,
                                            const store::PrivateMarks& private_marks,
                                            const std::string& archive, const std::string& suite,
                                            const catalog::Generation& before,
                                            const catalog::Generation& next)
{
    std::vector<Needed> found;
    for (const auto& [base, table] : next.tables()) {
        if (deb::classify_index(base).kind != deb::IndexKind::packages ||
            before.tables().count(base) == 0 || is_unchanged(before, next, base))
            continue;
        const auto names = held_names(blobs, before, base);
        if (!names && names.error().code() == Errc::not_found)
            continue;  // the old index is gone: nobody knows what was held of it
        if (!names)
            return tl::unexpected<Error>(names.error());
        TRY(auto successors, newest_of(blobs, next, base, *names));
        for (Needed& one : successors) {
            one.archive = archive;
            one.suite = suite;
            one.is_held = blobs.holds(one.digest) && private_marks.may_give(one.digest, archive);
            found.push_back(std::move(one));
        }
    }
    return found;
}

}  // namespace aptward::stock
