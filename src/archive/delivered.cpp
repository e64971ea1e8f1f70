// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/delivered.h"

#include <algorithm>

#include "store/deliveries.h"

namespace aptward::archive {
namespace {

constexpr std::size_t kFewKeys = 1 << 16;

}  // namespace

// A fleet gets the same files: most are known already.
void FileKeys::add(const Digest& digest)
{
    keys_.push_back(key_of(digest));
    if (keys_.size() > 2 * sorted_ + kFewKeys)
        sort();
}

void FileKeys::sort()
{
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    sorted_ = keys_.size();
}

bool FileKeys::holds(const Digest& digest) const
{
    return std::binary_search(keys_.begin(), keys_.end(), key_of(digest));
}

Result<FileKeys> find_delivered(const std::filesystem::path& deliveries, SystemTime since)
{
    FileKeys keys;
    TRY_VOID(store::each_delivery(
        deliveries, to_unix(since) * 1000, [&](const store::Delivery& delivery) {
            const bool has_bytes = delivery.status == 200 || delivery.status == 206;
            if (const auto digest = parse_digest(delivery.digest, 0); digest && has_bytes)
                keys.add(*digest);
        }));
    keys.sort();
    return keys;
}

}  // namespace aptward::archive
