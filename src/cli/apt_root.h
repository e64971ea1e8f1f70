// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A real apt with lists, cache and configuration of its own in a temporary folder: nothing of the
// machine changes. Private to cli/.

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/temporary_folder.h"

namespace aptward::cli {

/// Goes with the object.
class AptRoot {
public:
    /// Has state/lists/partial, cache/archives/partial, etc and downloads.
    static Result<AptRoot> make();
    const std::filesystem::path& path() const { return folder_.path(); }
    /// What apt reads before all other configuration.
    Result<void> configure(const std::string& text) const;

    struct End {
        int status = 0;
        std::string said;  ///< On both of its outputs.
        double seconds = 0;
        /// False also when apt only warned of something.
        bool is_good() const;
    };
    /// Runs a program in `downloads` and waits for it.
    Result<End> run(const std::vector<std::string>& command) const;

private:
    explicit AptRoot(TemporaryFolder folder) : folder_(std::move(folder)) {}
    TemporaryFolder folder_;
};

}  // namespace aptward::cli
