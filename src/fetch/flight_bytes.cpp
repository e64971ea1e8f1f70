// SPDX-License-Identifier: GPL-3.0-or-later
// The bytes of a flight: written as they come, hashed along, believed or thrown away at the end.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "fetch/flight_attempt.h"

namespace aptward::fetch {

using std::chrono::milliseconds;

bool FlightRun::write(Attempt& attempt, std::string_view bytes)
{
    auto written = write_all_at(flight_->file()->get(), bytes, written_);
    if (!written && move_to_memory())
        written = write_all_at(flight_->file()->get(), bytes, written_);
    if (!written) {
        give_up_for_want_of_room(written.error().message());
        return false;
    }
    hasher_.update(bytes);
    if (second_hasher_)
        second_hasher_->update(bytes);
    givers_.insert(attempt.source.get());
    written_ += bytes.size();
    last_progress_ = steady_now();
    flight_->available_.store(written_, std::memory_order_release);
    flight_->wake();
    if (written_ < digest_.size_bytes)
        return true;
    finish(attempt);  // not waiting for the connection's own end
    return false;
}

// The disk is full or broken: what is on its way still reaches the clients, uncached (R4, I6).
bool FlightRun::move_to_memory()
{
    auto room = fetcher_.take_memory(digest_.size_bytes);
    if (room == nullptr)
        return false;
    Fd memory(::memfd_create("aptward-flight", MFD_CLOEXEC));
    if (!memory)
        return false;
    const auto old = flight_->file();
    std::string buffer(1 << 20, '\0');
    for (std::uint64_t done = 0; old && done < written_;) {
        const std::span<char> part(buffer.data(), static_cast<std::size_t>(std::min<std::uint64_t>(
                                                      buffer.size(), written_ - done)));
        if (!read_all_at(old->get(), part, done) ||
            !write_all_at(memory.get(), {part.data(), part.size()}, done))
            return false;
        done += part.size();
    }
    flight_->file_.store(
        std::shared_ptr<const Fd>(new Fd(std::move(memory)), [room](const Fd* file) mutable {
            delete file;
            room.reset();  // only now is the memory free again
        }));
    fetcher_.event("store.full", archive(), nullptr,
                   "the state folder takes no bytes: this file is passed on but not kept");
    return true;
}

void FlightRun::settle_rate(Attempt& attempt)
{
    if (attempt.head_at)
        attempt.source->delivered(
            attempt.delivered,
            std::chrono::duration_cast<milliseconds>(steady_now() - *attempt.head_at),
            Source::Proof::digest);
}

void FlightRun::finish(Attempt& attempt)
{
    std::vector<Digest> proven = {hasher_.digest()};
    if (second_hasher_)
        proven.push_back(second_hasher_->digest());
    if (std::find(proven.begin(), proven.end(), digest_) != proven.end()) {
        settle_rate(attempt);
        flight_->source_.store(std::make_shared<const std::string>(attempt.source->url()));
        stop();
        return fetcher_.land(flight_, proven, attempt.offer.archive);
    }
    const bool is_lie = givers_.size() <= 1;
    fetcher_.note_wrong(digest_);
    if (is_lie)
        liars_.insert(attempt.source.get());
    else
        takes_all_from_one_ = true;
    tried_.clear();
    missing_ = 0;
    throw_away();
    fail(attempt,
         attempt.may_be_mixed() ? Fault::mixed : (is_lie ? Fault::wrong_bytes : Fault::slow),
         is_lie
             ? fmt::format("its bytes hash to {}, signed is {}", proven.back().hex(), digest_.hex())
             : "one of several sources gave wrong bytes: all is taken from one now");
    begin_epoch();
}

// A rescue would go on in the middle of what is gone: it ends too.
void FlightRun::throw_away()
{
    retire(rescue_);
    hasher_ = crypto::Hasher();
    if (second_hasher_)
        second_hasher_.emplace(HashAlgorithm::sha512);
    givers_.clear();
    written_ = 0;
    flight_->available_.store(0, std::memory_order_release);
}

// Cuts the clients that have some of what was thrown away. Last of all: one that asks again at once
// must not join a flight that is about to give up.
void FlightRun::begin_epoch()
{
    flight_->epoch_.fetch_add(1, std::memory_order_release);
    flight_->wake();
}

}  // namespace aptward::fetch
