// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Private to deb/: the quick answer that spares clean_relative_path its allocation.

#include <string_view>

namespace aptward::deb {

/// Whether clean_relative_path would surely return the path unchanged. False for some paths that
/// it leaves unchanged, too (".hidden/x"): these are rare, ask it.
bool is_clean_path(std::string_view path);

}  // namespace aptward::deb
