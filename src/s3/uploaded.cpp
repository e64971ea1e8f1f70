// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/uploaded.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

namespace aptward::s3 {
namespace {

constexpr std::size_t kIdDigits = 32, kHeadBytes = kIdDigits + 1;
constexpr std::uint64_t kMostBytes = 256 << 20;  // 16 million blobs; guess
constexpr std::size_t kMostFresh = 4096;         // a set has 64 bytes for each; guess

// Of what is there more than once, in order: one where the number is odd, none where it is even.
template <class Iterator>
Iterator keep_odd(Iterator from, Iterator end)
{
    Iterator to = from;
    while (from != end) {
        const Iterator next = std::upper_bound(from, end, *from);
        if ((next - from) % 2 == 1)
            *to++ = *from;
        from = next;
    }
    return to;
}

}  // namespace

Uploaded::Uploaded(std::filesystem::path file) : path_(std::move(file))
{
    const auto bytes = read_file(path_, kMostBytes);
    if (!bytes || bytes->size() < kHeadBytes || (*bytes)[kIdDigits] != '\n')
        return;
    bucket_id_ = bytes->substr(0, kIdDigits);
    sorted_.resize((bytes->size() - kHeadBytes) / sizeof(Key));
    const std::size_t whole = sorted_.size() * sizeof(Key);
    if (whole > 0)  // else there is no place to copy to
        std::memcpy(sorted_.data(), bytes->data() + kHeadBytes, whole);
    std::sort(sorted_.begin(), sorted_.end());
    sorted_.erase(keep_odd(sorted_.begin(), sorted_.end()), sorted_.end());
    file_ = Fd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (file_ && ::ftruncate(file_.get(), static_cast<::off_t>(kHeadBytes + whole)) != 0)
        file_ = Fd();  // what is learned from now on is known until the node ends
}

Uploaded::Key Uploaded::key_of(const Digest& digest)
{
    Key key;
    std::memcpy(key.data(), digest.hash.data(), key.size());
    return key;
}

bool Uploaded::begin(std::string_view bucket_id)
{
    if (this->bucket_id() == bucket_id)
        return true;  // as nearly always, without waiting for who writes
    const std::lock_guard writing(writing_);
    const std::string before = this->bucket_id();
    if (before == bucket_id)
        return true;
    start_over(bucket_id);
    return before.empty();
}

// With writing_.
void Uploaded::start_over(std::string_view bucket_id)
{
    {
        const std::lock_guard lock(mutex_);
        ++turn_;
        bucket_id_ = bucket_id;
        sorted_.clear();
        fresh_.clear();
    }
    replace_file(std::string(bucket_id) + '\n');
}

// With writing_. What a power cut brought back would be believed although nothing keeps it there:
// none of it stands in the file any more, or false.
bool Uploaded::replace_file(std::string_view text)
{
    if (!write_file_durably(path_, text))
        return drop_file();
    file_ = Fd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    is_stale_ = false;
    return true;
}

// With writing_. What is known is so until the node ends.
bool Uploaded::drop_file()
{
    file_ = Fd();
    const bool is_gone = ::unlink(path_.c_str()) == 0 || errno == ENOENT;
    is_stale_ = !is_gone || !sync_directory(path_.parent_path());
    return !is_stale_;
}

// With mutex_.
bool Uploaded::contains(const Key& key) const
{
    return fresh_.count(key) > 0 || std::binary_search(sorted_.begin(), sorted_.end(), key);
}

bool Uploaded::has(const Digest& digest) const
{
    if (digest.algorithm != HashAlgorithm::sha256)
        return false;
    const std::lock_guard lock(mutex_);
    return contains(key_of(digest));
}

// With writing_. A full disk costs one more question after the next start.
bool Uploaded::append(const Key& key)
{
    if (file_ && !write_all(file_.get(), {reinterpret_cast<const char*>(key.data()), key.size()}))
        file_ = Fd();
    return static_cast<bool>(file_);
}

std::uint64_t Uploaded::turn() const
{
    const std::lock_guard lock(mutex_);
    return turn_;
}

void Uploaded::begin_turn()
{
    const std::lock_guard lock(mutex_);
    ++turn_;
}

bool Uploaded::add(const Digest& digest, std::uint64_t turn)
{
    const Key key = key_of(digest);
    const std::lock_guard writing(writing_);
    {
        const std::lock_guard lock(mutex_);
        if (turn != turn_ || bucket_id_.empty())
            return false;
        if (contains(key))
            return true;
        fresh_.insert(key);
        if (fresh_.size() >= kMostFresh) {
            std::vector<Key> merged;
            merged.reserve(sorted_.size() + fresh_.size());
            std::merge(sorted_.begin(), sorted_.end(), fresh_.begin(), fresh_.end(),
                       std::back_inserter(merged));
            sorted_ = std::move(merged);
            fresh_.clear();
        }
    }
    append(key);
    return true;
}

void Uploaded::forget(const Digest& digest)
{
    const Key key = key_of(digest);
    const std::lock_guard writing(writing_);
    {
        const std::lock_guard lock(mutex_);
        if (!contains(key))
            return;
        fresh_.erase(key);
        const auto [first, last] = std::equal_range(sorted_.begin(), sorted_.end(), key);
        sorted_.erase(first, last);
    }
    if (!append(key) || ::fdatasync(file_.get()) != 0)
        drop_file();
}

bool Uploaded::keep_only(const ShortNames& names)
{
    const std::lock_guard writing(writing_);
    const auto may_stay = [&names](const Key& key) {
        ShortName name = 0;
        for (std::size_t i = 0; i < sizeof(name); ++i)
            name = name << 8 | key[i];
        return std::binary_search(names.begin(), names.end(), name);
    };
    // Read without mutex_, as nobody else changes them: who asks does not wait for this.
    std::vector<Key> kept;
    std::copy_if(sorted_.begin(), sorted_.end(), std::back_inserter(kept), may_stay);
    std::copy_if(fresh_.begin(), fresh_.end(), std::back_inserter(kept), may_stay);
    if (kept.size() == sorted_.size() + fresh_.size() && !is_stale_)
        return true;
    std::sort(kept.begin(), kept.end());
    std::string text = bucket_id_ + '\n';
    for (const Key& key : kept)
        text.append(reinterpret_cast<const char*>(key.data()), key.size());
    {
        const std::lock_guard lock(mutex_);
        ++turn_;
        sorted_.swap(kept);
        fresh_.clear();
    }
    return replace_file(text);
}

void Uploaded::clear()
{
    const std::lock_guard writing(writing_);
    if (!bucket_id().empty())
        start_over("");
}

std::size_t Uploaded::count() const
{
    const std::lock_guard lock(mutex_);
    return sorted_.size() + fresh_.size();
}

std::string Uploaded::bucket_id() const
{
    const std::lock_guard lock(mutex_);
    return bucket_id_;
}

}  // namespace aptward::s3
