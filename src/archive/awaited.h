// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Accepted releases whose indexes are being fetched: before they are shown to anybody, another node
// may ask for one of those indexes. Private to archive/.

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "catalog/catalog.h"

namespace aptward::archive {

/// Any thread. What it gives may outlive it.
class Awaited {
public:
    struct Release {
        std::string suite;
        catalog::GenerationPtr generation;
    };

    /// While the answer is held, this release is awaited.
    [[nodiscard]] std::shared_ptr<void> add(Release release);
    /// While the answer is held, there may be one soon: the sources are being asked.
    [[nodiscard]] std::shared_ptr<void> expect();

    void for_each(const std::function<void(const Release& release)>& visit) const;
    /// Whether there is one, or may be soon.
    bool is_any() const;

private:
    struct All {
        std::mutex mutex;
        std::list<Release> releases;
        std::size_t expected = 0;
    };
    const std::shared_ptr<All> all_ = std::make_shared<All>();
};

}  // namespace aptward::archive
