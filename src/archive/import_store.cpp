// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/import_store.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "crypto/crypto.h"

namespace aptward::archive {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;

}  // namespace

// Nothing when the file cannot be read, or not to its end.
Result<std::optional<StockStore::Copy>> StockStore::copy(const Fd& file, std::uint64_t size_bytes,
                                                         bool has_sha512)
{
    TRY(Fd staged, services_.blobs.stage());
    buffer_.resize(kPieceBytes);
    crypto::Hasher sha256;
    std::optional<crypto::Hasher> sha512;
    if (has_sha512)
        sha512.emplace(HashAlgorithm::sha512);
    for (std::uint64_t left = size_bytes; left > 0;) {
        const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(left, kPieceBytes));
        const ::ssize_t count = ::read(file.get(), buffer_.data(), piece);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return std::nullopt;
        const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
        TRY_VOID(write_all(staged.get(), bytes));
        sha256.update(bytes);
        if (sha512)
            sha512->update(bytes);
        left -= bytes.size();
    }
    Copy copied{std::move(staged), sha256.digest(), std::nullopt};
    if (sha512)
        copied.sha512 = sha512->digest();
    return std::optional<Copy>(std::move(copied));
}

Result<StockFate> StockStore::take(const Fd& file, std::uint64_t size_bytes, bool has_sha512,
                                   const Find& find)
{
    TRY_VOID(room_.check(size_bytes));
    TRY(auto copied, copy(file, size_bytes, has_sha512));
    if (!copied)
        return StockFate::unreadable;
    std::vector<Digest> digests = {copied->sha256};
    const ArchiveSettings* owner = find(copied->sha256);
    if (const ArchiveSettings* other = copied->sha512 ? find(*copied->sha512) : nullptr) {
        digests.push_back(*copied->sha512);
        owner = owner == nullptr ? other : owner;
    }
    if (owner == nullptr)
        return StockFate::unnamed;
    const bool has_come_before = std::all_of(
        digests.begin(), digests.end(), [&](const Digest& one) { return proven_.count(one) > 0; });
    proven_.insert(digests.begin(), digests.end());
    if (has_come_before || keeping_of(services_, *owner, digests) != Keeping::wanted)
        return StockFate::held;
    TRY_VOID(batch_.add(*owner, std::move(copied->staged), std::move(digests)));
    room_.take(size_bytes);
    return StockFate::stored;
}

}  // namespace aptward::archive
