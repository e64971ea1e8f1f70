// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/unknown_archive.h"

#include <fmt/format.h>

#include "base/text.h"

namespace aptward::archive {

std::string unknown_archive(std::string_view id)
{
    return fmt::format("there is no archive \"{}\"; aptward status shows which there are",
                       printable(id));
}

}  // namespace aptward::archive
