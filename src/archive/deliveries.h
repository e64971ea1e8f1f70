// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// From the loops to the delivery record without a lock: one ring per loop, one recorder thread.
//
//     loop  -- add() -->  ring  -- once a second, or at 64 KiB -->  recorder  -->  segment files
//
// A full ring loses the delivery and counts it; a client never waits for the record
// (docs/decisions/0011-deliveries.md).

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "archive/events.h"
#include "store/deliveries.h"

namespace aptward::archive {

/// Deliveries as flat bytes between exactly two threads: one pushes, one drains.
class DeliveryRing {
public:
    static constexpr std::size_t kBytes = 1 << 20;

    DeliveryRing();

    /// False when it is full: then it is counted as lost. Neither locks nor allocates.
    bool push(const store::Delivery& delivery);

    /// Hands over what is there, oldest first. The views are valid during the call only.
    template <class Visit>
    void drain(Visit&& visit)
    {
        store::Delivery delivery;
        const std::uint64_t end = head_.load(std::memory_order_acquire);
        while (tail_.load(std::memory_order_relaxed) != end) {
            if (!pop(delivery))
                continue;
            visit(delivery);
            release();
        }
    }

    std::size_t used() const;
    std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

private:
    bool pop(store::Delivery& to);
    void release();

    std::unique_ptr<char[]> bytes_;
    alignas(64) std::atomic<std::uint64_t> head_{0};  // the pusher writes
    std::atomic<std::uint64_t> lost_{0};
    std::uint64_t known_tail_ = 0;                    // the pusher's last look at tail_
    alignas(64) std::atomic<std::uint64_t> tail_{0};  // the drainer writes
    std::uint64_t next_ = 0;                          // where tail_ goes when the visit is over
};

class Deliveries {
public:
    /// `kept` 0 turns the record off. Nothing is written before the first delivery.
    Deliveries(std::filesystem::path folder, std::chrono::seconds kept, EventLog& events);
    ~Deliveries();
    Deliveries(const Deliveries&) = delete;
    Deliveries& operator=(const Deliveries&) = delete;

    /// Any thread; never blocks.
    void add(const store::Delivery& delivery);

    /// Writes what was added and ends the recorder. After the threads that add have ended.
    void stop();

    const std::filesystem::path& folder() const { return folder_; }
    std::uint64_t recorded() const { return recorded_.load(std::memory_order_relaxed); }
    std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

private:
    std::shared_ptr<DeliveryRing> own_ring();
    void run();
    void record(store::DeliverySegments& segments);
    void forget(const store::DeliverySegments& segments);

    const std::filesystem::path folder_;
    const std::chrono::seconds kept_;
    EventLog& events_;
    const std::uint64_t number_;  // of this object among all of the process
    std::mutex mutex_;            // the list of rings and stopping; never per delivery
    std::condition_variable wake_;
    std::atomic<bool> is_woken_{false};
    bool is_stopping_ = false;
    std::vector<std::shared_ptr<DeliveryRing>> rings_;
    std::atomic<std::uint64_t> recorded_{0}, lost_{0};
    std::uint64_t lost_in_rings_ = 0, failed_ = 0;  // recorder
    SteadyTime forgotten_{};                        // recorder
    std::thread recorder_;
};

}  // namespace aptward::archive
