// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// One at a time, in the order of coming. Control loop.

#include <deque>
#include <memory>
#include <utility>

#include "http/task.h"

namespace aptward::archive {

class Turns {
public:
    /// Returns when nobody else has the turn; end() has to follow.
    http::Async<void> take()
    {
        while (std::exchange(is_taken_, true)) {
            auto signal = co_await http::make_signal();
            waiting_.push_back(signal);
            co_await signal->wait_until(http::kNoDeadline);
        }
    }

    void end()
    {
        is_taken_ = false;
        if (waiting_.empty())
            return;
        waiting_.front()->notify();
        waiting_.pop_front();
    }

    bool is_taken() const { return is_taken_; }

    /// Ends the turn when it goes, also when what was done in it throws.
    class Held {
    public:
        explicit Held(Turns& turns) : turns_(turns) {}
        ~Held() { turns_.end(); }
        Held(const Held&) = delete;
        Held& operator=(const Held&) = delete;

    private:
        Turns& turns_;
    };

private:
    bool is_taken_ = false;
    std::deque<std::shared_ptr<http::Signal>> waiting_;
};

}  // namespace aptward::archive
