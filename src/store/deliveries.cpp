// SPDX-License-Identifier: GPL-3.0-or-later
// The bytes of a segment: docs/formats/deliveries.md. Pure.
#include "store/deliveries.h"

#include <algorithm>
#include <array>

#include "crypto/crypto.h"

namespace aptward::store {
namespace {

constexpr std::string_view kSegmentMagic = "APTWDLV\n";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kSegmentHeaderBytes = 24;
constexpr std::string_view kBlockMagic = "dlvB";
constexpr std::size_t kSumBytes = 8;
constexpr std::size_t kBlockHeaderBytes = 16;       // magic, length, checksum
constexpr std::size_t kMaxBlockBytes = 128 * 1024;  // a full block and the largest delivery
constexpr std::size_t kObjectBytes = 16;
constexpr std::size_t kRecordBytes = 28;
constexpr std::uint8_t kComplete = 1;

template <class Number>
void put(std::string& to, Number number)
{
    for (std::size_t i = 0; i < sizeof number; ++i)
        to += static_cast<char>(static_cast<std::uint8_t>(number >> (8 * i)));
}

/// Little-endian numbers and strings off the front; `is_good` is false once they ran out.
struct Cursor {
    std::string_view rest;
    bool is_good = true;

    std::string_view take(std::size_t count)
    {
        if (count > rest.size()) {
            is_good = false;
            rest = {};
            return {};
        }
        const std::string_view taken = rest.substr(0, count);
        rest.remove_prefix(count);
        return taken;
    }

    template <class Number>
    Number number()
    {
        const std::string_view bytes = take(sizeof(Number));
        Number value = 0;
        for (std::size_t i = 0; i < bytes.size(); ++i)
            value = static_cast<Number>(
                value | static_cast<Number>(static_cast<Number>(static_cast<std::uint8_t>(bytes[i]))
                                            << (8 * i)));
        return value;
    }
};

std::string sum_of(std::string_view payload)
{
    const Digest digest = crypto::digest_of(payload);
    std::string sum;
    for (std::size_t i = 0; i < kSumBytes; ++i)
        sum += static_cast<char>(digest.hash[i]);
    return sum;
}

/// The dictionaries of a segment as far as it was read. Places that a damaged block took with it
/// stay unknown.
struct Dictionary {
    std::unordered_map<std::uint32_t, std::string_view> strings;
    std::unordered_map<std::uint32_t, std::array<std::uint32_t, 4>> objects;

    const std::string_view* text(std::uint32_t id) const
    {
        static constexpr std::string_view kNone;
        if (id == 0)
            return &kNone;
        const auto found = strings.find(id);
        return found == strings.end() ? nullptr : &found->second;
    }

    bool resolve(std::uint32_t client, std::uint32_t object, std::uint32_t source,
                 Delivery& to) const
    {
        const auto found = objects.find(object);
        if (found == objects.end())
            return false;
        const auto& [archive_id, path_id, digest_id, generation_id] = found->second;
        const std::string_view* const parts[] = {text(client),        text(archive_id),
                                                 text(path_id),       text(digest_id),
                                                 text(generation_id), text(source)};
        if (std::find(std::begin(parts), std::end(parts), nullptr) != std::end(parts))
            return false;
        to.client = *parts[0];
        to.archive = *parts[1];
        to.path = *parts[2];
        to.digest = *parts[3];
        to.generation = *parts[4];
        to.source = *parts[5];
        return true;
    }
};

/// False when the payload, although its checksum is right, is none of ours.
bool read_block(std::string_view payload, Dictionary& dictionary, SegmentReading& reading,
                const std::function<void(const Delivery&)>& visit)
{
    Cursor cursor{payload};
    const auto block_ms = cursor.number<std::uint64_t>() & (UINT64_MAX >> 8);  // sums cannot wrap
    const auto lost = cursor.number<std::uint64_t>();
    const auto first_string = cursor.number<std::uint32_t>();
    const auto string_count = cursor.number<std::uint32_t>();
    for (std::uint32_t i = 0; i < string_count && cursor.is_good; ++i) {
        const auto size = cursor.number<std::uint16_t>();
        dictionary.strings[first_string + i] = cursor.take(size);
    }
    const auto first_object = cursor.number<std::uint32_t>();
    const auto object_count = cursor.number<std::uint32_t>();
    for (std::uint32_t i = 0; i < object_count && cursor.is_good; ++i)
        for (std::uint32_t& id : dictionary.objects[first_object + i])
            id = cursor.number<std::uint32_t>();
    const auto record_count = cursor.number<std::uint32_t>();
    if (!cursor.is_good || cursor.rest.size() != std::size_t{record_count} * kRecordBytes)
        return false;
    reading.lost += lost;
    for (std::uint32_t i = 0; i < record_count; ++i) {
        Delivery delivery;
        const auto after = static_cast<std::int32_t>(cursor.number<std::uint32_t>());
        delivery.time_ms = static_cast<std::int64_t>(block_ms) + after;
        const auto client = cursor.number<std::uint32_t>();
        const auto object = cursor.number<std::uint32_t>();
        const auto source = cursor.number<std::uint32_t>();
        delivery.bytes_sent = cursor.number<std::uint64_t>();
        delivery.status = cursor.number<std::uint16_t>();
        delivery.is_complete = (cursor.number<std::uint16_t>() & kComplete) != 0;
        if (!dictionary.resolve(client, object, source, delivery)) {
            ++reading.unreadable;
            continue;
        }
        ++reading.deliveries;
        visit(delivery);
    }
    return true;
}

/// The payload of the block at the front of `bytes`; nothing when it is torn or damaged.
std::optional<std::string_view> whole_block(std::string_view bytes)
{
    Cursor cursor{bytes};
    const std::string_view magic = cursor.take(kBlockMagic.size());
    const auto size = cursor.number<std::uint32_t>();
    const std::string_view sum = cursor.take(kSumBytes);
    const std::string_view payload = cursor.take(std::min<std::size_t>(size, kMaxBlockBytes + 1));
    if (!cursor.is_good || magic != kBlockMagic || size > kMaxBlockBytes || sum != sum_of(payload))
        return std::nullopt;
    return payload;
}

}  // namespace

std::string DeliveryEncoder::header(std::int64_t start_ms)
{
    std::string bytes(kSegmentMagic);
    put(bytes, kVersion);
    put(bytes, std::uint32_t{0});
    put(bytes, static_cast<std::uint64_t>(start_ms));
    return bytes;
}

std::uint32_t DeliveryEncoder::string_id(std::string_view text)
{
    if (text.empty())
        return 0;
    text = text.substr(0, kMaxDeliveryText);
    const auto found = string_ids_.find(text);
    if (found != string_ids_.end())
        return found->second;
    const auto id = static_cast<std::uint32_t>(string_ids_.size() + 1);
    string_ids_.emplace(text, id);
    put(strings_, static_cast<std::uint16_t>(text.size()));
    strings_ += text;
    ++string_count_;
    dictionary_bytes_ += text.size() + 2;
    return id;
}

std::uint32_t DeliveryEncoder::object_id(const Object& object)
{
    const auto [found, is_new] =
        object_ids_.emplace(object, static_cast<std::uint32_t>(object_ids_.size() + 1));
    if (is_new) {
        for (const std::uint32_t id : object)
            put(objects_, id);
        ++object_count_;
        dictionary_bytes_ += kObjectBytes;
    }
    return found->second;
}

std::uint32_t DeliveryEncoder::string_id(std::string_view text, Last& last)
{
    if (last.id == 0 || last.text != text) {
        last.text = text;
        last.id = string_id(text);
    }
    return last.id;
}

std::uint32_t DeliveryEncoder::object_of(const Delivery& delivery)
{
    const std::uint32_t archive = string_id(delivery.archive, last_archive_);
    const std::uint32_t generation = string_id(delivery.generation, last_generation_);
    const auto known = known_.find(delivery.digest);
    if (known != known_.end() && known->second.archive == archive &&
        known->second.generation == generation && known->second.path == delivery.path)
        return known->second.object;
    const std::uint32_t path = string_id(delivery.path);
    const std::uint32_t digest = string_id(delivery.digest);
    const std::uint32_t object = object_id({archive, path, digest, generation});
    const auto path_kept = string_ids_.find(delivery.path);
    const auto digest_kept = string_ids_.find(delivery.digest);
    if (path_kept != string_ids_.end() && digest_kept != string_ids_.end())
        known_[digest_kept->first] = {archive, generation, object, path_kept->first};
    return object;
}

void DeliveryEncoder::add(const Delivery& delivery)
{
    if (record_count_ == 0)
        block_ms_ = delivery.time_ms;
    const std::uint32_t object = object_of(delivery);
    const std::uint32_t client = string_id(delivery.client, last_client_);
    const std::uint32_t source = string_id(delivery.source, last_source_);
    // Negative when a loop that is drained later answered earlier.
    const auto after = static_cast<std::int32_t>(
        std::clamp<std::int64_t>(delivery.time_ms - block_ms_, INT32_MIN, INT32_MAX));
    put(records_, static_cast<std::uint32_t>(after));
    put(records_, client);
    put(records_, object);
    put(records_, source);
    put(records_, delivery.bytes_sent);
    put(records_, delivery.status);
    put(records_, static_cast<std::uint16_t>(delivery.is_complete ? kComplete : 0));
    ++record_count_;
}

std::string DeliveryEncoder::take_block(std::uint64_t lost)
{
    std::string payload;
    payload.reserve(pending_bytes() + 40);
    put(payload, static_cast<std::uint64_t>(block_ms_));
    put(payload, lost);
    put(payload, static_cast<std::uint32_t>(string_ids_.size() - string_count_ + 1));
    put(payload, string_count_);
    payload += strings_;
    put(payload, static_cast<std::uint32_t>(object_ids_.size() - object_count_ + 1));
    put(payload, object_count_);
    payload += objects_;
    put(payload, record_count_);
    payload += records_;
    strings_.clear();
    objects_.clear();
    records_.clear();
    string_count_ = object_count_ = record_count_ = 0;
    std::string block(kBlockMagic);
    put(block, static_cast<std::uint32_t>(payload.size()));
    block += sum_of(payload);
    return block + payload;
}

Result<SegmentReading> read_segment(std::string_view bytes,
                                    const std::function<void(const Delivery&)>& visit)
{
    Cursor cursor{bytes};
    if (cursor.take(kSegmentMagic.size()) != kSegmentMagic)
        return fail(Errc::malformed, "this is no segment of the delivery record");
    if (const auto version = cursor.number<std::uint32_t>(); version != kVersion)
        return fail(Errc::stale, "a segment of version " + std::to_string(version) +
                                     ", which this program does not read");
    bytes.remove_prefix(std::min(bytes.size(), kSegmentHeaderBytes));
    SegmentReading reading;
    Dictionary dictionary;
    while (!bytes.empty()) {
        const auto payload = whole_block(bytes);
        if (payload && read_block(*payload, dictionary, reading, visit)) {
            bytes.remove_prefix(kBlockHeaderBytes + payload->size());
            continue;
        }
        // Torn by a crash when nothing follows; else damage, and the next block is looked for.
        const std::size_t next = bytes.find(kBlockMagic, 1);
        if (next == std::string_view::npos) {
            reading.torn_bytes += bytes.size();
            break;
        }
        reading.damaged_bytes += next;
        bytes.remove_prefix(next);
    }
    return reading;
}

bool DeliveryQuery::matches(const Delivery& delivery) const
{
    if (delivery.time_ms < since_ms || delivery.time_ms >= until_ms)
        return false;
    if (!client.empty() && delivery.client != client)
        return false;
    if (delivery.digest.substr(0, digest.size()) != digest)
        return false;
    if (path.empty() || delivery.path == path)
        return true;
    return delivery.path.size() > path.size() && delivery.path.ends_with(path) &&
           delivery.path[delivery.path.size() - path.size() - 1] == '/';
}

}  // namespace aptward::store
