// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/deliveries.h"

#include <fmt/format.h>

#include <cstring>

namespace aptward::archive {
namespace {

using std::chrono::system_clock;

constexpr std::chrono::seconds kFlushEvery{1};
constexpr std::chrono::hours kForgetEvery{1};
constexpr std::size_t kWakeAt = 64 * 1024;
constexpr std::size_t kTexts = 6;

/// What stands in front of a delivery's text in a ring. `total` 0: go on at the ring's start.
struct Head {
    std::uint32_t total = 0;
    std::uint16_t status = 0;
    std::uint8_t is_complete = 0, unused = 0;
    std::int64_t time_ms = 0;
    std::uint64_t bytes_sent = 0;
    std::array<std::uint16_t, kTexts> sizes{};
    std::uint32_t unused_end = 0;
};
static_assert(sizeof(Head) == 40);

std::uint64_t next_number()
{
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

}  // namespace

// Not zeroed: pages that a quiet loop never reaches cost no memory.
DeliveryRing::DeliveryRing() : bytes_(new char[kBytes]) {}

bool DeliveryRing::push(const store::Delivery& delivery)
{
    const std::array<std::string_view, kTexts> texts = {delivery.client,     delivery.archive,
                                                        delivery.path,       delivery.digest,
                                                        delivery.generation, delivery.source};
    Head entry;
    std::size_t size = sizeof entry;
    for (std::size_t i = 0; i < kTexts; ++i) {
        entry.sizes[i] =
            static_cast<std::uint16_t>(std::min(texts[i].size(), store::kMaxDeliveryText));
        size += entry.sizes[i];
    }
    size = (size + 7) & ~std::size_t{7};
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::size_t at = head % kBytes;
    const std::size_t skipped = at + size > kBytes ? kBytes - at : 0;
    const std::uint64_t end = head + skipped + size;
    if (end - known_tail_ > kBytes) {
        known_tail_ = tail_.load(std::memory_order_acquire);
        if (end - known_tail_ > kBytes) {
            lost_.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
    }
    if (skipped > 0)
        std::memset(bytes_.get() + at, 0, sizeof entry.total);
    entry.total = static_cast<std::uint32_t>(size);
    entry.status = delivery.status;
    entry.is_complete = delivery.is_complete ? 1 : 0;
    entry.time_ms = delivery.time_ms;
    entry.bytes_sent = delivery.bytes_sent;
    char* to = bytes_.get() + (skipped > 0 ? 0 : at);
    std::memcpy(to, &entry, sizeof entry);
    to += sizeof entry;
    for (std::size_t i = 0; i < kTexts; ++i) {
        if (entry.sizes[i] > 0)
            std::memcpy(to, texts[i].data(), entry.sizes[i]);
        to += entry.sizes[i];
    }
    head_.store(end, std::memory_order_release);
    return true;
}

bool DeliveryRing::pop(store::Delivery& to)
{
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    const std::size_t at = tail % kBytes;
    const char* from = bytes_.get() + at;
    Head entry;
    std::memcpy(&entry.total, from, sizeof entry.total);
    if (entry.total == 0) {
        tail_.store(tail + kBytes - at, std::memory_order_release);
        return false;
    }
    std::memcpy(&entry, from, sizeof entry);
    from += sizeof entry;
    std::array<std::string_view, kTexts> texts;
    for (std::size_t i = 0; i < kTexts; ++i) {
        texts[i] = {from, entry.sizes[i]};
        from += entry.sizes[i];
    }
    to = {entry.time_ms, texts[0], texts[1],         texts[2],     texts[3],
          texts[4],      texts[5], entry.bytes_sent, entry.status, entry.is_complete != 0};
    next_ = tail + entry.total;
    return true;
}

void DeliveryRing::release()
{
    tail_.store(next_, std::memory_order_release);
}

std::size_t DeliveryRing::used() const
{
    return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_relaxed);
}

Deliveries::Deliveries(std::filesystem::path folder, std::chrono::seconds kept, EventLog& events)
    : folder_(std::move(folder)), kept_(kept), events_(events), number_(next_number())
{
    if (kept_.count() > 0)
        recorder_ = std::thread([this] { run(); });
}

Deliveries::~Deliveries()
{
    stop();
}

std::shared_ptr<DeliveryRing> Deliveries::own_ring()
{
    auto ring = std::make_shared<DeliveryRing>();
    const std::lock_guard lock(mutex_);
    rings_.push_back(ring);
    return ring;
}

void Deliveries::add(const store::Delivery& delivery)
{
    if (kept_.count() == 0)
        return;
    thread_local std::uint64_t owner = 0;
    thread_local std::shared_ptr<DeliveryRing> ring;
    if (owner != number_) {
        ring = own_ring();
        owner = number_;
    }
    if (ring->push(delivery) && ring->used() < kWakeAt)
        return;
    if (!is_woken_.exchange(true, std::memory_order_relaxed))
        wake_.notify_one();  // a wake that comes too early costs a second, no delivery
}

void Deliveries::record(store::DeliverySegments& segments)
{
    std::vector<std::shared_ptr<DeliveryRing>> rings;
    {
        const std::lock_guard lock(mutex_);
        rings = rings_;
    }
    std::uint64_t added = 0, lost_in_rings = 0;
    for (const auto& ring : rings) {
        lost_in_rings += ring->lost();
        ring->drain([&](const store::Delivery& delivery) {
            segments.add(delivery);
            ++added;
        });
    }
    segments.add_lost(lost_in_rings - lost_in_rings_);
    lost_in_rings_ = lost_in_rings;
    const auto flushed = segments.flush();
    const std::uint64_t failed = segments.failed() - std::exchange(failed_, segments.failed());
    recorded_ += added - std::min(added, failed);
    lost_.store(lost_in_rings_ + segments.failed(), std::memory_order_relaxed);
    if (!flushed) {
        catalog::Event event;
        event.code = "deliveries.failed";
        event.message = fmt::format("{} deliveries could not be recorded: {}", failed,
                                    flushed.error().message());
        events_.add(std::move(event));
    }
}

void Deliveries::forget(const store::DeliverySegments& segments)
{
    const SteadyTime now = steady_now();
    if (forgotten_ != SteadyTime{} && now - forgotten_ < kForgetEvery)
        return;
    forgotten_ = now;
    segments.remove_before(system_clock::now() - kept_);
}

void Deliveries::run()
{
    store::DeliverySegments segments(folder_);
    for (bool is_last = false; !is_last;) {
        {
            std::unique_lock lock(mutex_);
            if (!is_stopping_)
                wake_.wait_for(lock, kFlushEvery, [this] { return is_stopping_ || is_woken_; });
            is_last = is_stopping_;
        }
        is_woken_ = false;
        forget(segments);
        record(segments);
    }
}

void Deliveries::stop()
{
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    wake_.notify_one();
    if (recorder_.joinable())
        recorder_.join();
}

}  // namespace aptward::archive
