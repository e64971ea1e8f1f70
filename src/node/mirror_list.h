// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Lists with one URL on each line: mirrors.txt, and what mirror+file sources name. Private to
// node/. Spec: apt-transport-mirror(1).

#include <string>
#include <string_view>
#include <vector>

namespace aptward::node {

/// In their order, without comments and without mirror+file's attributes behind a URL. Any first
/// word of a line counts as one. Pure.
std::vector<std::string> read_mirror_list(std::string_view text);

}  // namespace aptward::node
