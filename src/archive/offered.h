// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a generation offers under a name below its suite. Private to archive/. Pure.

#include "archive/names.h"
#include "catalog/catalog.h"

namespace aptward::archive {

/// Patches to indexes are deliberately not offered, whatever the release lists (V35).
bool is_patch(std::string_view index_path);

/// Null when it does not offer it.
const deb::ListedFile* find_offered(const catalog::Generation& generation, const Name& name);

/// Whether the name is that of a package: a flat repository keeps them beside its indexes.
bool is_in_flat_pool(const catalog::Generation& generation, const Name& name);
/// The name of such a package as one below the archive.
Name as_pool(const Name& name);

}  // namespace aptward::archive
