// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/uploaded.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace aptward::s3 {
namespace {

constexpr std::size_t kIdDigits = 32, kHeadBytes = kIdDigits + 1;
constexpr std::uint64_t kMostBytes = 256 << 20;  // 16 million blobs; guess
constexpr std::size_t kMostFresh = 4096;         // a set has 64 bytes for each; guess

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
    sorted_.erase(std::unique(sorted_.begin(), sorted_.end()), sorted_.end());
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
    const std::lock_guard lock(mutex_);
    if (bucket_id_ == bucket_id)
        return true;
    const bool was_another = !bucket_id_.empty();
    start_over(bucket_id);
    return !was_another;
}

// Under the lock.
void Uploaded::start_over(std::string_view bucket_id)
{
    bucket_id_ = bucket_id;
    sorted_.clear();
    fresh_.clear();
    file_ = Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
    if (file_ && !write_all(file_.get(), bucket_id_ + '\n'))
        file_ = Fd();
}

// Under the lock.
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

void Uploaded::add(const Digest& digest)
{
    const Key key = key_of(digest);
    const std::lock_guard lock(mutex_);
    if (bucket_id_.empty() || contains(key))
        return;
    fresh_.insert(key);
    // A full disk costs one more question after the next start.
    if (file_ && !write_all(file_.get(), {reinterpret_cast<const char*>(key.data()), key.size()}))
        file_ = Fd();
    if (fresh_.size() < kMostFresh)
        return;
    std::vector<Key> merged;
    merged.reserve(sorted_.size() + fresh_.size());
    std::merge(sorted_.begin(), sorted_.end(), fresh_.begin(), fresh_.end(),
               std::back_inserter(merged));
    sorted_ = std::move(merged);
    fresh_.clear();
}

void Uploaded::clear()
{
    const std::lock_guard lock(mutex_);
    if (!bucket_id_.empty())
        start_over("");
}

std::size_t Uploaded::count() const
{
    const std::lock_guard lock(mutex_);
    return sorted_.size() + fresh_.size();
}

}  // namespace aptward::s3
