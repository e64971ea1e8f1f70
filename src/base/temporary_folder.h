// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace aptward {

/// A folder that only this user can look into, and that goes with the object. A crash leaves it.
class TemporaryFolder {
public:
    /// PARENT/NAME-XXXXXX. Fails with storage.
    static Result<TemporaryFolder> make(const std::filesystem::path& parent,
                                        const std::string& name);
    TemporaryFolder(TemporaryFolder&& other) noexcept;
    TemporaryFolder& operator=(TemporaryFolder&&) = delete;
    ~TemporaryFolder();

    const std::filesystem::path& path() const { return path_; }

private:
    explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
    std::filesystem::path path_;
};

}  // namespace aptward
