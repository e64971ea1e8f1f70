// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The growing file of a flight: hashed and written beside the thread that receives. Private to
// fetch/.
//
//     fetch thread    take ==|= take ===|= take =|           finish
//     writer              hash, write ====|===========| ----^
//
// Whatever has come while the writer was busy is written as one piece. Readers see bytes when they
// are in the file, as before; what the hash says comes back to the fetch thread as a job.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/crypto.h"
#include "fetch/fetch.h"

namespace aptward::fetch {

class FlightFile : public std::enable_shared_from_this<FlightFile> {
public:
    FlightFile(Fetcher& fetcher, std::shared_ptr<Flight> flight);

    /// On the fetch thread, as the next ones; before them. `run`: hears the end, unless it is gone.
    /// `archive`: for events only.
    void start(std::weak_ptr<FlightRun> run, std::string archive);
    /// The next bytes, all of them together at most the flight's. Waits when the disk is far
    /// behind. Fails with storage when there is no memory for them.
    Result<void> take(std::string_view bytes);
    /// Forgets all that was taken: what comes next is the beginning. Waits for a write under way.
    void start_over();
    /// What has not been written yet is dropped.
    void close();

private:
    void write_on();
    Result<void> open();
    Result<void> write(std::string_view bytes);
    bool move_to_memory(const Error& why);
    void tell_end();
    void tell_failure(std::string message);
    void forget_pending();

    Fetcher& fetcher_;
    const std::shared_ptr<Flight> flight_;
    std::weak_ptr<FlightRun> run_;
    std::string archive_;
    // In this order. The first one is held while a piece is written, the second one for moments.
    std::mutex writing_mutex_, pending_mutex_;
    std::string pending_;     // taken, and not written; under the second, as the next ones
    bool is_posted_ = false;  // the writer will come
    bool is_closed_ = false;  // nothing is written any more
    std::string piece_;       // what the writer has in hand; under the first, as the rest
    std::uint64_t written_ = 0;
    crypto::Hasher hasher_;
    std::optional<crypto::Hasher> second_hasher_;  // SHA-512, when the digest is one
};

}  // namespace aptward::fetch
