// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// How much of something each address may have at once. Private to peer/.

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace aptward::peer {

/// Any thread. Outlives what it gives.
class Slots {
public:
    explicit Slots(std::size_t most) : most_(most) {}

    /// One, while the answer is held; null: this address has as many as it may.
    std::shared_ptr<void> take(const std::string& address);

private:
    const std::size_t most_;
    std::mutex mutex_;
    std::map<std::string, std::size_t> taken_;
};

}  // namespace aptward::peer
