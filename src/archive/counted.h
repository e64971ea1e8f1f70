// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What works on something keeps it from being given up. Private to archive/.

#include <cstddef>

namespace aptward::archive {

/// Counts while it lives, also when what it stands for throws.
class Counted {
public:
    explicit Counted(std::size_t& count) : count_(++count) {}
    ~Counted() { --count_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

private:
    std::size_t& count_;
};

}  // namespace aptward::archive
