// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/mirror_list.h"

#include <algorithm>

#include "base/text.h"

namespace aptward::node {

std::vector<std::string> read_mirror_list(std::string_view text)
{
    std::vector<std::string> urls;
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        const auto fields = words(text.substr(start, end - start));
        if (!fields.empty() && fields[0].front() != '#')
            urls.emplace_back(fields[0]);
        start = end + 1;
    }
    return urls;
}

}  // namespace aptward::node
