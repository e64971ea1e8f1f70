// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace aptward {

Result<TemporaryFolder> TemporaryFolder::make(const std::filesystem::path& parent,
                                              const std::string& name)
{
    std::string pattern = (parent / (name + "-XXXXXX")).string();
    if (::mkdtemp(pattern.data()) == nullptr)
        return fail_errno("creating " + pattern, errno);
    return TemporaryFolder(pattern);
}

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept
    : path_(std::exchange(other.path_, {}))
{
}

TemporaryFolder::~TemporaryFolder()
{
    std::error_code ignored;
    if (!path_.empty())
        std::filesystem::remove_all(path_, ignored);
}

}  // namespace aptward
