// SPDX-License-Identifier: GPL-3.0-or-later
// Layout, all numbers little-endian as the machine has them (the file never leaves it):
//
//   header | buckets: {tag, record} x 2^k | records: {size, key offset, key length, kind, hash}
//          | keys | SHA-256 of everything before
//
// Open addressing; a bucket's tag is the upper half of the path's hash, so that nearly every miss
// ends without touching a record.
#include "catalog/table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "crypto/crypto.h"

namespace aptward::catalog {
namespace {

constexpr std::uint64_t kMagic = 0x3142545754504141;  // "AAPTWTB1"
constexpr std::uint32_t kEmpty = 0xffffffff;
constexpr std::size_t kSumBytes = 32;

struct Header {
    std::uint64_t magic, seed;
    std::uint32_t count, bucket_mask, hash_bytes, reserved;
    std::uint64_t keys_bytes;
};
struct Bucket {
    std::uint32_t tag, record;
};
struct Record {  // followed by hash_bytes of hash
    std::uint64_t size_bytes;
    std::uint32_t key_offset;
    std::uint16_t key_bytes;
    std::uint16_t algorithm;
};

std::uint64_t mix(std::uint64_t a, std::uint64_t b)
{
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Multiply-and-fold over eight bytes at a time, keyed by the seed.
std::uint64_t hash_path(std::string_view path, std::uint64_t seed)
{
    std::uint64_t hash = seed ^ path.size() * 0xff51afd7ed558ccdULL;
    while (path.size() >= 8) {
        std::uint64_t part = 0;
        std::memcpy(&part, path.data(), 8);
        hash = mix(hash ^ part, 0xa0761d6478bd642fULL ^ seed);
        path.remove_prefix(8);
    }
    std::uint64_t part = 0;
    if (!path.empty())
        std::memcpy(&part, path.data(), path.size());
    return mix(mix(hash ^ part, 0xe7037ed1a0b428dbULL), seed | 1);
}

template <class T>
void append(std::string& bytes, const T& value)
{
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes.append(raw, sizeof raw);
}

template <class T>
T load(const char* from)
{
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

std::size_t buckets_bytes(const Header& header)
{
    return (static_cast<std::size_t>(header.bucket_mask) + 1) * sizeof(Bucket);
}
std::size_t record_bytes(const Header& header)
{
    return sizeof(Record) + header.hash_bytes;
}
std::size_t whole_bytes(const Header& header)
{
    return sizeof header + buckets_bytes(header) + record_bytes(header) * header.count +
           header.keys_bytes + kSumBytes;
}

Digest digest_at(const char* at, const Record& record)
{
    Digest digest;
    digest.algorithm = record.algorithm == 0 ? HashAlgorithm::sha256 : HashAlgorithm::sha512;
    digest.size_bytes = record.size_bytes;
    std::memcpy(digest.hash.data(), at + sizeof record, hash_bytes(digest.algorithm));
    return digest;
}

}  // namespace

std::string Table::build(const std::vector<TableEntry>& entries)
{
    Header header{};
    header.magic = kMagic;
    if (::getrandom(&header.seed, sizeof header.seed, 0) != sizeof header.seed)
        header.seed = 0x9E3779B97F4A7C15ULL;
    header.hash_bytes = 32;
    for (const TableEntry& entry : entries)
        if (entry.digest.algorithm == HashAlgorithm::sha512)
            header.hash_bytes = 64;
    const auto wanted = static_cast<std::uint32_t>(entries.size() * 3 / 2 + 1);
    header.bucket_mask = std::bit_ceil(wanted) - 1;
    std::vector<Bucket> buckets(std::size_t{header.bucket_mask} + 1, Bucket{0, kEmpty});
    std::vector<const TableEntry*> kept;
    kept.reserve(entries.size());
    std::string records, keys;
    for (const TableEntry& entry : entries) {
        const std::uint64_t hash = hash_path(entry.path, header.seed);
        const auto tag = static_cast<std::uint32_t>(hash >> 32);
        std::uint32_t slot = static_cast<std::uint32_t>(hash) & header.bucket_mask;
        bool is_known = false;
        while (buckets[slot].record != kEmpty && !is_known) {
            is_known = buckets[slot].tag == tag && kept[buckets[slot].record]->path == entry.path;
            if (!is_known)
                slot = (slot + 1) & header.bucket_mask;
        }
        if (is_known)
            continue;
        buckets[slot] = {tag, header.count++};
        kept.push_back(&entry);
        append(records, Record{entry.digest.size_bytes, static_cast<std::uint32_t>(keys.size()),
                               static_cast<std::uint16_t>(entry.path.size()),
                               static_cast<std::uint16_t>(entry.digest.algorithm)});
        for (std::size_t i = 0; i < header.hash_bytes; ++i)
            records += static_cast<char>(entry.digest.hash[i]);
        keys += entry.path;
    }
    header.keys_bytes = keys.size();
    std::string bytes;
    bytes.reserve(whole_bytes(header));
    append(bytes, header);
    for (const Bucket& bucket : buckets)
        append(bytes, bucket);
    bytes += records;
    bytes += keys;
    const Digest sum = crypto::digest_of(bytes);
    for (std::size_t i = 0; i < kSumBytes; ++i)
        bytes += static_cast<char>(sum.hash[i]);
    return bytes;
}

Result<std::shared_ptr<const Table>> Table::open(const std::filesystem::path& file)
{
    const Fd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened && errno == ENOENT)
        return fail(Errc::not_found, "there is no table " + file.string());
    if (!opened)
        return fail_errno("opening " + file.string(), errno);
    struct ::stat status{};
    if (::fstat(opened.get(), &status) != 0)
        return fail_errno("looking at " + file.string(), errno);
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size < sizeof(Header) + kSumBytes)
        return fail(Errc::malformed, file.string() + " is no table");
    void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, opened.get(), 0);
    if (mapped == MAP_FAILED)
        return fail_errno("mapping " + file.string(), errno);
    auto table = std::shared_ptr<Table>(new Table(static_cast<const char*>(mapped), size));
    const auto header = load<Header>(table->bytes_);
    const std::string_view body(table->bytes_, size - kSumBytes);
    const bool is_whole =
        header.magic == kMagic && (header.hash_bytes == 32 || header.hash_bytes == 64) &&
        std::has_single_bit(std::uint64_t{header.bucket_mask} + 1) && whole_bytes(header) == size;
    if (!is_whole ||
        std::memcmp(crypto::digest_of(body).hash.data(), body.data() + body.size(), kSumBytes) != 0)
        return fail(Errc::malformed, file.string() + " is damaged");
    table->count_ = header.count;
    return std::shared_ptr<const Table>(std::move(table));
}

Table::~Table()
{
    // munmap wants a mutable pointer to what was mapped read-only.
    ::munmap(const_cast<char*>(bytes_), size_);
}

std::optional<Digest> Table::find(std::string_view path) const
{
    const auto header = load<Header>(bytes_);
    const char* buckets = bytes_ + sizeof header;
    const char* records = buckets + buckets_bytes(header);
    const char* keys = records + record_bytes(header) * header.count;
    const std::uint64_t hash = hash_path(path, header.seed);
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::uint32_t slot = static_cast<std::uint32_t>(hash) & header.bucket_mask;;
         slot = (slot + 1) & header.bucket_mask) {
        const auto bucket = load<Bucket>(buckets + std::size_t{slot} * sizeof(Bucket));
        if (bucket.record == kEmpty)
            return std::nullopt;
        if (bucket.tag != tag)
            continue;
        const char* at = records + record_bytes(header) * bucket.record;
        const auto record = load<Record>(at);
        if (std::string_view(keys + record.key_offset, record.key_bytes) != path)
            continue;
        return digest_at(at, record);
    }
}

void Table::each(const Visit& visit) const
{
    const auto header = load<Header>(bytes_);
    const char* records = bytes_ + sizeof header + buckets_bytes(header);
    const char* keys = records + record_bytes(header) * header.count;
    for (std::uint32_t i = 0; i < header.count; ++i) {
        const char* at = records + record_bytes(header) * i;
        const auto record = load<Record>(at);
        visit(std::string_view(keys + record.key_offset, record.key_bytes), digest_at(at, record));
    }
}

}  // namespace aptward::catalog
