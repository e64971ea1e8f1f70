// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/flight_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

#include "fetch/flight_run.h"

namespace aptward::fetch {
namespace {

// A buffer that grew beyond this while the disk was behind is given back: a thousand flights may be
// on their way.
constexpr std::size_t kKept = 256 << 10;

}  // namespace

FlightFile::FlightFile(Fetcher& fetcher, std::shared_ptr<Flight> flight)
    : fetcher_(fetcher), flight_(std::move(flight))
{
    if (flight_->digest().algorithm == HashAlgorithm::sha512)
        second_hasher_.emplace(HashAlgorithm::sha512);
}

void FlightFile::start(std::weak_ptr<FlightRun> run, std::string archive)
{
    run_ = std::move(run);
    archive_ = std::move(archive);
}

// With the first bytes: finding a free inode can take a disk its time.
Result<void> FlightFile::open()
{
    auto staged = fetcher_.blobs().stage();
    if (staged)
        flight_->file_.store(std::make_shared<const Fd>(std::move(*staged)));
    else if (!move_to_memory(staged.error()))
        return tl::unexpected<Error>(staged.error());
    return {};
}

Result<void> FlightFile::take(std::string_view bytes)
{
    fetcher_.wait_for_writer();
    try {
        const std::lock_guard lock(pending_mutex_);
        if (is_closed_)
            return {};  // its end is on the way; what nobody writes must not be waited for
        pending_.append(bytes);
        fetcher_.note_taken(bytes.size());
        if (std::exchange(is_posted_, true))
            return {};
        fetcher_.writer().post([self = shared_from_this()] { self->write_on(); });
    } catch (const std::bad_alloc&) {  // R11
        return fail(Errc::storage, "no memory");
    }
    return {};
}

void FlightFile::start_over()
{
    const std::lock_guard writing(writing_mutex_);
    const std::lock_guard lock(pending_mutex_);
    forget_pending();
    hasher_ = crypto::Hasher();
    if (second_hasher_)
        second_hasher_.emplace(HashAlgorithm::sha512);
    written_ = 0;
    flight_->available_.store(0, std::memory_order_release);
}

void FlightFile::close()
{
    const std::lock_guard lock(pending_mutex_);
    is_closed_ = true;
    forget_pending();
}

// Under the lock.
void FlightFile::forget_pending()
{
    fetcher_.note_written(pending_.size());
    pending_.clear();
}

// One piece on the writer; what came meanwhile queues behind those of other flights.
void FlightFile::write_on()
{
    const std::lock_guard writing(writing_mutex_);
    {
        const std::lock_guard lock(pending_mutex_);
        is_posted_ = false;
        if (is_closed_)
            return;
        piece_.swap(pending_);
    }
    Result<void> written;
    try {
        written = write(piece_);
    } catch (const std::bad_alloc&) {  // R11
        written = fail(Errc::storage, "no memory");
    }
    fetcher_.note_written(piece_.size());
    if (piece_.capacity() > kKept)
        std::string().swap(piece_);
    piece_.clear();
    if (!written)
        return tell_failure(written.error().message());
    flight_->available_.store(written_, std::memory_order_release);
    flight_->wake();
    if (written_ == flight_->digest().size_bytes)
        tell_end();
}

Result<void> FlightFile::write(std::string_view bytes)
{
    if (flight_->file() == nullptr)
        TRY_VOID(open());
    hasher_.update(bytes);
    if (second_hasher_)
        second_hasher_->update(bytes);
    auto written = write_all_at(flight_->file()->get(), bytes, written_);
    if (!written && move_to_memory(written.error()))
        written = write_all_at(flight_->file()->get(), bytes, written_);
    if (written)
        written_ += bytes.size();
    return written;
}

void FlightFile::tell_end()
{
    std::vector<Digest> proven = {hasher_.digest()};
    if (second_hasher_)
        proven.push_back(second_hasher_->digest());
    fetcher_.client().post([run = run_, proven = std::move(proven)] {
        if (const auto self = run.lock())
            self->finish(proven);
    });
}

void FlightFile::tell_failure(std::string message)
{
    close();
    fetcher_.client().post([run = run_, message = std::move(message)] {
        if (const auto self = run.lock())
            self->give_up_for_want_of_room(message);
    });
}

// The disk is full or broken: what is on its way still reaches the clients, uncached (R4, I6).
bool FlightFile::move_to_memory(const Error& why)
{
    auto room = fetcher_.take_memory(flight_->digest().size_bytes);
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
    flight_->is_in_memory_ = true;
    fetcher_.client().post(
        [&fetcher = fetcher_, archive = archive_, why] { fetcher.tell_unkept(archive, why); });
    return true;
}

}  // namespace aptward::fetch
