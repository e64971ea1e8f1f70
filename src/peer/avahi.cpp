// SPDX-License-Identifier: GPL-3.0-or-later
// Discovery by Avahi, which the machine runs anyhow: over D-Bus, in a thread of its own, because
// its library waits for answers (up to 25 s when the daemon hangs). The thread shares nothing with
// the node but what `AvahiShared` holds, so that nobody ever waits for it.
#include <thread>
#include <utility>

#include "base/log.h"
#include "peer/avahi_session.h"

namespace aptward::peer {
namespace {

constexpr std::chrono::seconds kEndLimit{1};

void run(const std::shared_ptr<AvahiShared>& shared)
{
    AvahiSimplePoll* const poll = avahi_simple_poll_new();
    const auto is_stopping = [&shared] {
        const std::lock_guard lock(shared->mutex);
        return shared->is_stopping;
    };
    if (poll != nullptr) {
        AvahiSession session(*shared, poll);
        while (!is_stopping()) {
            try {
                session.step();
            } catch (const std::exception& error) {  // exhausted memory (R11): a moment later
                log_warning("discovery.failed", {}, error.what());
                std::this_thread::sleep_for(kPollAgain);
            }
        }
    }
    if (poll != nullptr)
        avahi_simple_poll_free(poll);
    const std::lock_guard lock(shared->mutex);
    shared->has_ended = true;
    shared->ended.notify_all();
}

class Avahi : public Discovery {
public:
    Avahi() : shared_(std::make_shared<AvahiShared>()) {}

    ~Avahi() override
    {
        if (!thread_.joinable())
            return;
        std::unique_lock lock(shared_->mutex);
        shared_->is_stopping = true;
        shared_->wake();
        const bool has_ended =
            shared_->ended.wait_for(lock, kEndLimit, [this] { return shared_->has_ended; });
        lock.unlock();
        if (has_ended)
            thread_.join();
        else
            thread_.detach();  // it waits for a daemon that hangs, and touches nothing of ours
    }
    Avahi(const Avahi&) = delete;
    Avahi& operator=(const Avahi&) = delete;

    void use(bool is_on, const Announcement& announcement) override
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->wish = {is_on, announcement};
        shared_->is_changed = true;
        shared_->wake();
        if (!is_on || thread_.joinable())
            return;
        try {
            thread_ = std::thread(run, shared_);
        } catch (const std::system_error& error) {  // no room for one: a reload tries again
            log_warning("discovery.failed", {}, error.what());
        }
    }
    std::shared_ptr<const Services> services() const override { return shared_->services.load(); }
    Report report() const override { return *shared_->report.load(); }

private:
    const std::shared_ptr<AvahiShared> shared_;
    std::thread thread_;  // once somebody wants it
};

}  // namespace

std::unique_ptr<Discovery> make_discovery()
{
    return std::make_unique<Avahi>();
}

}  // namespace aptward::peer
