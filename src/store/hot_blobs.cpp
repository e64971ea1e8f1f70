// SPDX-License-Identifier: GPL-3.0-or-later
#include "store/hot_blobs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "crypto/crypto.h"
#include "store/use.h"

namespace aptward::store {
namespace {

Result<std::string> read_whole(const Fd& file, std::uint64_t size)
{
    std::string bytes(size, '\0');
    for (std::uint64_t done = 0; done < size;) {
        const ssize_t got =
            ::pread(file.get(), bytes.data() + done, size - done, static_cast<::off_t>(done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail_errno("reading a held file", got < 0 ? errno : EIO);
        done += static_cast<std::uint64_t>(got);
    }
    return bytes;
}

}  // namespace

// One system call instead of the three of open, fstat and close. Whatever happens to a file or to
// its names changes its status time.
bool HotBlob::is_still_right() const
{
    if (is_in_hand)
        return true;
    struct ::stat status{};
    return ::fstat(file.get(), &status) == 0 && status.st_ctim.tv_sec == changed.tv_sec &&
           status.st_ctim.tv_nsec == changed.tv_nsec;
}

// For an open file this is a change of its status: it is opened anew then.
void HotBlob::note_use(const Blobs& blobs, const Digest& digest, SystemTime now) const
{
    if (!is_to_be_noted(noted, now))
        return;
    noted = now;
    const bool ignored [[maybe_unused]] = blobs.use(digest);
}

Result<HotBlobPtr> HotBlobs::get(const Blobs& blobs, const Digest& digest)
{
    const auto found = entries_.find(digest);
    if (found != entries_.end()) {
        if (found->second.blob->is_still_right()) {
            found->second.blob->was_used = true;
            found->second.blob->note_use(blobs, digest, system_now());
            return found->second.blob;
        }
        drop(digest);
    }
    TRY(auto blob, load(blobs, digest));
    keep(digest, blob);
    return blob;
}

Result<HotBlobPtr> HotBlobs::load(const Blobs& blobs, const Digest& digest) const
{
    auto blob = std::make_shared<HotBlob>();
    TRY(blob->file, blobs.read(digest));
    blob->noted = system_now();
    if (digest.size_bytes > kLargestInHand) {
        struct ::stat status{};
        if (::fstat(blob->file.get(), &status) != 0)
            return fail_errno("looking at a held file", errno);
        blob->changed = status.st_ctim;
        return blob;
    }
    TRY(blob->bytes, read_whole(blob->file, digest.size_bytes));
    if (crypto::digest_of(blob->bytes, digest.algorithm) != digest) {
        TRY_VOID(blobs.set_aside(digest));
        return fail(Errc::not_found, "the held file was damaged");
    }
    blob->file.reset();
    blob->is_in_hand = true;
    return blob;
}

void HotBlobs::keep(const Digest& digest, HotBlobPtr blob)
{
    bytes_ += blob->bytes.size();
    if (!blob->is_in_hand)
        ++files_;
    entries_[digest] = {std::move(blob), clock_.size()};
    clock_.push_back(digest);
    while (entries_.size() > 1 && (bytes_ > limits_.bytes || entries_.size() > limits_.entries ||
                                   files_ > limits_.entries / 2))
        make_room();
}

void HotBlobs::drop(const Digest& digest)
{
    const auto found = entries_.find(digest);
    bytes_ -= found->second.blob->bytes.size();
    if (!found->second.blob->is_in_hand)
        --files_;
    const std::size_t slot = found->second.slot;
    entries_.erase(found);
    if (slot + 1 != clock_.size()) {
        clock_[slot] = clock_.back();
        entries_.find(clock_[slot])->second.slot = slot;
    }
    clock_.pop_back();
}

void HotBlobs::sweep()
{
    std::vector<Digest> gone;
    for (const auto& [digest, entry] : entries_)
        if (!entry.blob->is_still_right())
            gone.push_back(digest);
    for (const Digest& digest : gone)
        drop(digest);
}

// The clock algorithm: nearly least-recently-used at the price of one bit.
void HotBlobs::make_room()
{
    for (;;) {
        if (hand_ >= clock_.size())
            hand_ = 0;
        const HotBlob& blob = *entries_.find(clock_[hand_])->second.blob;
        if (!blob.was_used) {
            const Digest victim = clock_[hand_];
            return drop(victim);
        }
        blob.was_used = false;
        ++hand_;
    }
}

}  // namespace aptward::store
