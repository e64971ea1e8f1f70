// SPDX-License-Identifier: GPL-3.0-or-later
// An index becomes a table on two processors:
//
//     this job      unpack ===================|scan, build, write|       name
//     beside it         hash ======= follows ====|               join ^
//
// xz says how far it is, and the hash follows it; gz (libdeflate) comes all at once, and is hashed
// while the rest goes on. Whatever was made of the text has no name until the hash is right.
// Measured in docs/decisions/0012-adoption.md.
#include "archive/index_table.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/pages.h"
#include "catalog/table.h"
#include "crypto/crypto.h"
#include "deb/deb.h"

namespace aptward::archive {
namespace {

constexpr std::uint64_t kLargestIndex = 4ULL << 30;  // guess: Debian's largest Contents is 0.8 GB
constexpr std::uint64_t kMostExpansion = 64;         // of an index whose plain size is not listed
constexpr const char* kQuickestFirst[] = {"", ".gz", ".zst", ".xz", ".lzma", ".bz2"};
constexpr std::size_t kTextPerEntry = 6;  // measured: Debian's Packages, and rounded

/// Hashes a text while another thread still writes it.
class FollowingHash {
public:
    FollowingHash(WorkerPool& pool, std::string_view room, HashAlgorithm algorithm)
        : room_(room), hasher_(algorithm), job_(pool, [this] { follow(); })
    {
    }
    ~FollowingHash() { end(); }
    FollowingHash(const FollowingHash&) = delete;
    FollowingHash& operator=(const FollowingHash&) = delete;

    /// So many bytes are there, and will not change.
    void advance(std::size_t available)
    {
        available_.store(available);
        available_.notify_one();
    }

    Digest finish()
    {
        end();
        job_.join();
        return hasher_.digest();
    }

private:
    // Nothing more comes: lets a job that waits for it go.
    void end()
    {
        available_.fetch_or(kEnd);
        available_.notify_one();
    }

    void follow()
    {
        for (std::size_t done = 0;;) {
            const std::size_t seen = available_.load();
            const std::size_t available = seen & ~kEnd;
            if (available > done)
                hasher_.update(room_.substr(done, available - done));
            else if ((seen & kEnd) != 0)
                return;
            else
                available_.wait(seen);
            done = available;
        }
    }

    static constexpr std::size_t kEnd = ~(~std::size_t{0} >> 1);
    std::string_view room_;
    crypto::Hasher hasher_;
    std::atomic<std::size_t> available_ = 0;
    Beside job_;  // last: it ends before what it uses
};

Result<void> write_table(std::string_view text, const PackedIndex& index, const Fd& file)
{
    catalog::TableBuilder builder(text.size() / kTextPerEntry);
    const auto visit = [&](const deb::PoolFile& found) { builder.add(found.path, found.digest); };
    const bool is_sources = deb::classify_index(index.path).kind == deb::IndexKind::sources;
    TRY_VOID(is_sources ? deb::scan_sources(text, visit) : deb::scan_packages(text, visit));
    TRY(const std::string table, std::move(builder).finish());
    TRY_VOID(write_all(file.get(), table));
    if (::fdatasync(file.get()) != 0)
        return fail_errno("syncing a table", errno);
    return {};
}

Result<Pages> read_packed(const Fd& packed, const PackedIndex& index)
{
    Pages bytes(index.digest.size_bytes);
    TRY_VOID(read_all_at(packed.get(), bytes.span(), 0));
    return bytes;
}

// The release says what comes out: no byte more is unpacked, and the hash runs along.
Result<void> write_checked(const Fd& packed, const PackedIndex& index, const Fd& file,
                           WorkerPool& pool)
{
    const Digest& wanted = *index.plain;
    if (wanted.size_bytes > kLargestIndex)
        return fail(Errc::malformed, "it unpacks to more than 4 GiB");
    Pages text(wanted.size_bytes);
    FollowingHash hash(pool, text.view(), wanted.algorithm);
    const auto compression = deb::compression_of(index.path);
    if (compression == deb::Compression::none) {
        if (index.digest != wanted)
            return fail(Errc::untrusted, "it is not what the release lists");
        TRY_VOID(read_all_at(packed.get(), text.span(), 0));
    } else {
        TRY(const Pages bytes, read_packed(packed, index));
        const auto progress = [&](std::size_t available) { hash.advance(available); };
        TRY_VOID(deb::decompress_exactly(bytes.view(), compression, text.span(), progress));
    }
    hash.advance(text.size());
    TRY_VOID(write_table(text.view(), index, file));
    if (hash.finish() != wanted)
        return fail(Errc::untrusted, "it does not unpack to what the release lists");
    return {};
}

std::uint64_t most_unpacked(const Digest& packed)
{
    return std::min(kLargestIndex, packed.size_bytes * kMostExpansion + (1 << 20));
}

// Nothing but the packed bytes is vouched for, which is enough: they are what clients unpack.
Result<void> write_unlisted(const Fd& packed, const PackedIndex& index, const Fd& file)
{
    TRY(const Pages bytes, read_packed(packed, index));
    const auto compression = deb::compression_of(index.path);
    if (compression == deb::Compression::none)
        return write_table(bytes.view(), index, file);
    TRY(const std::string text,
        deb::decompress(bytes.view(), compression, most_unpacked(index.digest)));
    return write_table(text, index, file);
}

}  // namespace

PackedIndex packed_index(const deb::Release& release, const deb::ListedFile& file)
{
    PackedIndex index{file.path, file.digests.front(), std::nullopt};
    if (const deb::ListedFile* plain = release.find(deb::without_compression(file.path)))
        index.plain = plain->digests.front();
    return index;
}

Result<void> build_table(const Fd& packed, const PackedIndex& index,
                         const std::filesystem::path& target, WorkerPool& pool)
{
    TRY(const Fd file, create_unnamed(target.parent_path(), 0644));
    auto written = index.plain ? write_checked(packed, index, file, pool)
                               : write_unlisted(packed, index, file);
    if (!written)
        return tl::unexpected<Error>(std::move(written).error().within(index.path));
    return name_durably(file, target);
}

bool holds_index(const store::Blobs& blobs, const deb::Release& release, const std::string& base)
{
    return std::any_of(std::begin(kQuickestFirst), std::end(kQuickestFirst),
                       [&](const char* suffix) {
                           const deb::ListedFile* const file = release.find(base + suffix);
                           return file != nullptr && blobs.holds(file->digests.front());
                       });
}

Result<std::string> read_index(const store::Blobs& blobs, const deb::Release& release,
                               const std::string& base)
{
    for (const char* suffix : kQuickestFirst) {
        const deb::ListedFile* const file = release.find(base + suffix);
        if (file == nullptr)
            continue;
        const Digest& digest = file->digests.front();
        const auto blob = blobs.read(digest);
        if (!blob && blob.error().code() == Errc::not_found)
            continue;
        if (!blob)
            return tl::unexpected<Error>(blob.error());
        std::string bytes(digest.size_bytes, '\0');
        TRY_VOID(read_all_at(blob->get(), bytes, 0));
        const auto compression = deb::compression_of(file->path);
        if (compression == deb::Compression::none)
            return bytes;
        const deb::ListedFile* const plain = release.find(base);
        return deb::decompress(
            bytes, compression,
            plain != nullptr ? plain->digests.front().size_bytes : most_unpacked(digest));
    }
    return fail(Errc::not_found, base + " is not held");
}

}  // namespace aptward::archive
