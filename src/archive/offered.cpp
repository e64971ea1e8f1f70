// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/offered.h"

namespace aptward::archive {

bool is_patch(std::string_view index_path)
{
    return deb::classify_index(index_path).kind == deb::IndexKind::pdiff;
}

const deb::ListedFile* find_offered(const catalog::Generation& generation, const Name& name)
{
    const deb::ListedFile* file = name.kind == Name::Kind::by_hash
                                      ? generation.find_by_hash(name.directory, name.hex)
                                      : generation.release().find(name.rest);
    return file == nullptr || is_patch(file->path) ? nullptr : file;
}

bool is_in_flat_pool(const catalog::Generation& generation, const Name& name)
{
    return name.suite.ends_with('/') && !is_patch(name.rest) &&
           generation.release().find(name.rest) == nullptr;
}

Name as_pool(const Name& name)
{
    Name pool;
    pool.rest = suite_folder(name.suite) + name.rest;
    return pool;
}

}  // namespace aptward::archive
