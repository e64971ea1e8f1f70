// SPDX-License-Identifier: GPL-3.0-or-later
// An answer, all numbers LEB128 but for the magic, hashes and bitmaps:
//
//   "APTWHAV1" | run: 8 bytes | from | to | for each set: hash: 32 bytes, count, kind, length,
//   payload
//
// Kinds: 'b' a bitmap of all, the first file in the lowest bit of the first byte; 'g' the held ones
// as gaps; 'd' a number of added ones, their gaps, and then those of the removed ones; 'x' nothing,
// the index is not given any more. A gap is the distance to the one before, less one.
#include "peer/have_set.h"

#include <bit>

#include "base/digest.h"

namespace aptward::peer {
namespace {

constexpr std::string_view kMagic = "APTWHAV1";
constexpr std::size_t kRunBytes = 8, kHashBytes = 32;

void put_number(std::string& bytes, std::uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        bytes += static_cast<char>(number | 0x80);
    bytes += static_cast<char>(number);
}

// `hex` has two digits for each byte.
void put_hex(std::string& bytes, std::string_view hex)
{
    const auto value = [](char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; };
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(value(hex[i]) << 4 | value(hex[i + 1]));
}

std::string hex_of(std::string_view bytes)
{
    const std::vector<std::uint8_t> raw(bytes.begin(), bytes.end());
    return to_hex(raw.data(), raw.size());
}

void put_gaps(std::string& bytes, const std::vector<std::uint32_t>& places)
{
    std::uint32_t next = 0;
    for (const std::uint32_t place : places) {
        put_number(bytes, place - next);
        next = place + 1;
    }
}

std::string bitmap_of(std::size_t count, const std::vector<std::uint32_t>& places)
{
    std::string bytes((count + 7) / 8, '\0');
    for (const std::uint32_t place : places)
        bytes[place / 8] = static_cast<char>(bytes[place / 8] | 1 << (place % 8));
    return bytes;
}

/// What is left to be read. Each read fails for good when there is too little.
class Input {
public:
    explicit Input(std::string_view bytes) : bytes_(bytes) {}
    bool is_empty() const { return bytes_.empty(); }

    Result<std::string_view> take(std::size_t count)
    {
        if (count > bytes_.size())
            return fail(Errc::malformed, "it ends in the middle");
        const std::string_view taken = bytes_.substr(0, count);
        bytes_.remove_prefix(count);
        return taken;
    }

    Result<std::uint64_t> number()
    {
        std::uint64_t number = 0;
        for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
            const auto byte = static_cast<unsigned char>(bytes_.front());
            bytes_.remove_prefix(1);
            if (shift == 63 && byte > 1)
                break;
            number |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80)
                return number;
        }
        return fail(Errc::malformed, "a number does not end");
    }

private:
    std::string_view bytes_;
};

// At most `most` of them, each below the set's count.
Result<void> put_all(Input& input, std::uint64_t most, bool is_held, HaveSet& set)
{
    std::uint64_t next = 0;
    for (std::uint64_t i = 0; i < most && !input.is_empty(); ++i) {
        TRY(const std::uint64_t gap, input.number());
        if (gap >= set.count() || next + gap >= set.count())
            return fail(Errc::malformed, "a set has more files than its index");
        set.put(next + gap, is_held);
        next += gap + 1;
    }
    return {};
}

Result<HaveSet> read_bitmap(std::string_view payload, std::size_t count)
{
    if (payload.size() != (count + 7) / 8)
        return fail(Errc::malformed, "a bitmap has another length than its index");
    HaveSet set(count);
    for (std::size_t place = 0; place < count; ++place)
        if ((static_cast<unsigned char>(payload[place / 8]) >> (place % 8) & 1) != 0)
            set.put(place, true);
    return set;
}

Result<HaveSet> read_changes(std::string_view payload, HaveSet set)
{
    Input input(payload);
    TRY(const std::uint64_t added, input.number());
    TRY_VOID(put_all(input, added, true, set));
    TRY_VOID(put_all(input, set.count(), false, set));
    if (!input.is_empty())
        return fail(Errc::malformed, "a set has more changes than files");
    return set;
}

Result<HaveSet> read_gaps(std::string_view payload, std::size_t count)
{
    HaveSet set(count);
    Input input(payload);
    TRY_VOID(put_all(input, count, true, set));
    if (!input.is_empty())
        return fail(Errc::malformed, "a set has more files than its index");
    return set;
}

Result<HaveSet> read_set(char kind, std::string_view payload, std::size_t count,
                         const std::shared_ptr<const HaveSet>& before)
{
    switch (kind) {
        case 'b':
            return read_bitmap(payload, count);
        case 'g':
            return read_gaps(payload, count);
        case 'd':
            if (before == nullptr || before->count() != count)
                return fail(Errc::malformed, "changes of a set that was not told");
            return read_changes(payload, *before);
        default:
            return fail(Errc::malformed, "a set of another kind");
    }
}

}  // namespace

std::vector<std::uint32_t> HaveSet::places() const
{
    std::vector<std::uint32_t> places;
    for (std::size_t i = 0; i < words_.size(); ++i)
        for (std::uint64_t word = words_[i]; word != 0; word &= word - 1)
            places.push_back(static_cast<std::uint32_t>(i * 64) +
                             static_cast<std::uint32_t>(std::countr_zero(word)));
    return places;
}

HaveText::HaveText(std::string_view run, std::uint64_t from, std::uint64_t to)
{
    bytes_ += kMagic;
    put_hex(bytes_, run);
    put_number(bytes_, from);
    put_number(bytes_, to);
}

void HaveText::add_head(std::string_view index, std::size_t count, char kind,
                        std::string_view payload)
{
    put_hex(bytes_, index);
    put_number(bytes_, count);
    bytes_ += kind;
    put_number(bytes_, payload.size());
    bytes_ += payload;
}

void HaveText::add_whole(std::string_view index, const HaveSet& set)
{
    const auto places = set.places();
    const std::size_t bitmap_bytes = (set.count() + 7) / 8;
    std::string gaps;
    if (places.size() <= bitmap_bytes)  // a gap takes a byte at least
        put_gaps(gaps, places);
    if (places.size() <= bitmap_bytes && gaps.size() <= bitmap_bytes)
        add_head(index, set.count(), 'g', gaps);
    else
        add_head(index, set.count(), 'b', bitmap_of(set.count(), places));
}

void HaveText::add_changes(std::string_view index, std::size_t count, const Changes& changes)
{
    std::string payload;
    put_number(payload, changes.added.size());
    put_gaps(payload, changes.added);
    put_gaps(payload, changes.removed);
    add_head(index, count, 'd', payload);
}

void HaveText::add_gone(std::string_view index)
{
    add_head(index, 0, 'x', "");
}

Result<HaveNews> read_have(std::string_view bytes, std::uint64_t from, HaveSets before,
                           const CountOf& count_of)
{
    if (bytes.size() > kMaxHaveBytes)
        return fail(Errc::malformed, "it is too long");
    Input input(bytes);
    TRY(const std::string_view magic, input.take(kMagic.size()));
    if (magic != kMagic)
        return fail(Errc::malformed, "it is no such answer");
    HaveNews news;
    TRY(const std::string_view run, input.take(kRunBytes));
    news.run = hex_of(run);
    TRY(const std::uint64_t begins, input.number());
    TRY(news.to, input.number());
    if (begins != 0 && begins != from)
        return fail(Errc::malformed, "it begins elsewhere than was asked");
    if (begins != 0)
        news.sets = std::move(before);
    for (std::size_t number = 0; !input.is_empty(); ++number) {
        if (number == 2 * kMostSets)  // some are gone, others took their place
            return fail(Errc::malformed, "it has too many sets");
        TRY(const std::string_view hash, input.take(kHashBytes));
        TRY(const std::uint64_t count, input.number());
        TRY(const std::string_view kind, input.take(1));
        TRY(const std::uint64_t length, input.number());
        TRY(const std::string_view payload, input.take(length));
        const std::string index = hex_of(hash);
        if (kind.front() == 'x') {
            news.sets.erase(index);
            continue;
        }
        const auto known = count_of(index);
        if (!known)
            continue;
        if (*known != count)
            return fail(Errc::malformed, "an index has another number of files here");
        TRY(auto set, read_set(kind.front(), payload, count, news.sets[index]));
        news.sets[index] = std::make_shared<const HaveSet>(std::move(set));
    }
    return news;
}

}  // namespace aptward::peer
