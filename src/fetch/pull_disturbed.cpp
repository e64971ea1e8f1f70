// SPDX-License-Identifier: GPL-3.0-or-later
// What a drill does to a transfer. Whatever it is, it ends soon after the drill does.
#include <utility>

#include "fetch/pull.h"

namespace aptward::fetch {
namespace {

using Kind = Disturbance::Kind;

constexpr std::chrono::milliseconds kLookAgain{100};  // whether the drill is over
constexpr std::chrono::seconds kPerByte{1};
// Every limit on slow sources ends a transfer before so many seconds; the rest is not fetched.
constexpr std::size_t kMostWaiting = 1024;

}  // namespace

void Pull::meet(const Disturbance& disturbance)
{
    if (!std::exchange(has_met_, true))
        ++disturbance.met;
}

// No connection, which shows at once, or one that stays silent.
void Pull::wait_in_vain()
{
    const bool is_refused = request_.source->disturbance()->kind == Kind::refuse;
    const SteadyTime then = steady_now() + (is_refused ? SteadyTime::duration(0) : kLookAgain);
    client_.at(then, [self = shared_from_this(), is_refused] {
        if (self->events_ == nullptr)
            return;
        if (is_refused)
            return self->events_->on_fault(Fault::refused, "a drill lets nobody connect");
        if (self->request_.source->disturbance() != nullptr)
            return self->wait_in_vain();
        self->events_->on_fault(Fault::stalled, "a drill kept it silent, and is over");
    });
}

bool Pull::take(std::string_view bytes)
{
    const Disturbance* const disturbance = request_.source->disturbance();
    if (trickling_ || (disturbance != nullptr && disturbance->kind == Kind::trickle)) {
        if (disturbance != nullptr)
            meet(*disturbance);
        return keep(bytes);
    }
    if (disturbance == nullptr || disturbance->kind != Kind::lie || !request_.is_checked ||
        bytes.empty())
        return events_->on_body(bytes);
    meet(*disturbance);
    std::string changed(bytes);
    changed[changed.size() / 2] ^= 1;
    return events_->on_body(changed);
}

bool Pull::keep(std::string_view bytes)
{
    if (!trickling_) {
        trickling_.emplace();
        trickle_on();
    }
    *trickling_ += bytes.substr(0, kMostWaiting - trickling_->size());
    return trickling_->size() < kMostWaiting;
}

void Pull::trickle_on()
{
    client_.at(steady_now() + kPerByte, [self = shared_from_this()] {
        if (self->events_ == nullptr)
            return;
        if (self->request_.source->disturbance() == nullptr)
            return self->events_->on_fault(Fault::truncated, "a drill let it trickle, and is over");
        std::string& waiting = *self->trickling_;
        if (waiting.empty() && self->has_all_)
            return self->events_->on_complete();
        if (!waiting.empty()) {
            const std::string next = waiting.substr(0, 1);
            waiting.erase(0, 1);
            if (!self->events_->on_body(next))
                return;
        }
        self->trickle_on();
    });
}

}  // namespace aptward::fetch
