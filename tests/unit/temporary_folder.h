// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A folder that a test may fill; it goes with the test.

#include <cstdlib>
#include <filesystem>
#include <string>

namespace aptward {

class TemporaryFolder {
public:
    TemporaryFolder()
    {
        std::string name = (std::filesystem::temp_directory_path() / "aptward-test-").string();
        name += "XXXXXX";  // mkdtemp(3) puts letters there
        path_ = ::mkdtemp(name.data());
    }
    ~TemporaryFolder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace aptward
