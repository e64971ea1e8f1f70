// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace aptward::archive {

/// What is said of an id that no archive has, by the node and by every command. Pure.
std::string unknown_archive(std::string_view id);

}  // namespace aptward::archive
