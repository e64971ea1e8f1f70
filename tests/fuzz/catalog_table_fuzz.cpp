// SPDX-License-Identifier: GPL-3.0-or-later
// A table whose bytes are anything gives an error or entries that stand in it, and an end comes to
// every look-up. A flipped byte is noticed when the table is opened; one that flips later is never
// the end of the node. Input: where a byte is flipped (2), by what (1), a table without its sum.
#include <sys/mman.h>

#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/file.h"
#include "catalog/table.h"
#include "crypto/crypto.h"

using namespace aptward;

namespace {

// The layout is at the top of table.cpp; the sizes of its header are made to fit the input, or
// hardly one of them would be a table.
constexpr std::size_t kHeaderBytes = 32, kEntriesAt = 16, kMaskAt = 28, kBucketBytes = 8;

std::string table_of(std::string_view bytes)
{
    std::string table(bytes);
    std::memcpy(table.data(), "AAPTWTB2", 8);
    std::uint32_t mask = 0;
    std::memcpy(&mask, &table[kMaskAt], sizeof mask);
    mask = (1U << (mask % 6)) - 1;
    const std::size_t before = kHeaderBytes + (mask + 1) * kBucketBytes;
    table.resize(std::max(table.size(), before));
    const std::uint64_t entries_bytes = table.size() - before;
    std::memcpy(&table[kMaskAt], &mask, sizeof mask);
    std::memcpy(&table[kEntriesAt], &entries_bytes, sizeof entries_bytes);
    const Digest sum = crypto::digest_of(table);
    return table.append(sum.hash.begin(), sum.hash.begin() + 32);
}

/// A file in memory.
struct File {
    explicit File(std::string_view bytes) : fd(::memfd_create("table", MFD_CLOEXEC))
    {
        CHECK(fd && write_all(fd.get(), bytes), "memory is there");
    }
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd.get()); }

    Fd fd;
};

void look_up(const catalog::Table& table, const std::string& bytes)
{
    std::vector<std::string> paths = {"", "pool/main/a/apt/apt_2.7.14_amd64.deb"};
    const auto is_inside = [&](const Digest& digest) {
        const auto* hash = reinterpret_cast<const char*>(digest.hash.data());
        return bytes.find(std::string_view(hash, hash_bytes(digest.algorithm))) != bytes.npos;
    };
    const auto walked = table.each([&](std::string_view path, const Digest& digest) {
        CHECK(bytes.find(path) != bytes.npos && is_inside(digest), "an entry stands in the file");
        paths.emplace_back(path);
    });
    CHECK(walked || table.is_broken(), "what cannot be read is said to be broken");
    for (const std::string& path : paths) {
        const auto found = table.find(path);
        CHECK(!found || !*found || is_inside(**found), "so does what is found");
        CHECK(found || table.is_broken(), "what cannot be read is said to be broken");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    constexpr std::size_t kFlipBytes = 3;
    if (size < kFlipBytes + kHeaderBytes)
        return 0;
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    std::string table = table_of(input.substr(kFlipBytes));
    const File file(table);
    const auto opened = catalog::Table::open(file.path());
    CHECK(opened || opened.error().code() == Errc::malformed, "it is no table or one");
    if (opened)
        look_up(**opened, table);
    const std::size_t at = (bytes[0] + 256U * bytes[1]) % table.size();
    if (bytes[2] == 0)
        return 0;
    table[at] = static_cast<char>(table[at] ^ bytes[2]);
    CHECK(write_all_at(file.fd.get(), std::string_view(table).substr(at, 1), at),
          "memory is there");
    CHECK(!catalog::Table::open(file.path()), "a flipped byte is noticed");
    if (opened)
        look_up(**opened, table);
    return 0;
}
