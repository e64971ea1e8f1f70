// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The least of many digests, in bounded memory. Pure.

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/digest.h"

namespace aptward::s3 {

class Least {
public:
    /// Holds twice as many while they are added.
    explicit Least(std::size_t most) : most_(most) {}

    void add(const Digest& digest)
    {
        held_.push_back(digest);
        if (held_.size() == 2 * most_)
            cut();
    }
    /// At most `most`, in order. Once, after the last add().
    std::vector<Digest> take()
    {
        if (held_.size() > most_)
            cut();
        std::sort(held_.begin(), held_.end());
        return std::move(held_);
    }
    /// After take(): there were more, all of them greater.
    bool is_cut() const { return is_cut_; }

private:
    void cut()
    {
        std::nth_element(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(most_),
                         held_.end());
        held_.resize(most_);
        is_cut_ = true;
    }

    const std::size_t most_;
    std::vector<Digest> held_;
    bool is_cut_ = false;
};

}  // namespace aptward::s3
