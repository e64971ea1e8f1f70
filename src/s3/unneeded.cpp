// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/unneeded.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"

namespace aptward::s3 {
namespace {

constexpr std::uint64_t kMostFileBytes = kMostUnneeded * 128;

}  // namespace

std::chrono::seconds age(const Moment& since, const Moment& now)
{
    return std::max(
        std::chrono::seconds(0),
        std::min<std::chrono::seconds>(now.service - since.service, now.node - since.node));
}

Unneeded::Key unneeded_key(const Digest& digest)
{
    Unneeded::Key key;
    std::copy_n(digest.hash.begin(), key.size(), key.begin());
    return key;
}

Unneeded Unneeded::parse(std::string_view text)
{
    Unneeded unneeded;
    const auto take_line = [&text] {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        return line;
    };
    unneeded.bucket_id_ = take_line();
    while (!text.empty() && unneeded.objects_.size() < kMostUnneeded) {
        const auto parts = words(take_line());
        const auto digest = parts.size() == 4 ? parse_digest(parts[0], 0) : std::nullopt;
        if (!digest || digest->algorithm != HashAlgorithm::sha256)
            continue;
        const auto size = parse_number(parts[1]);
        const auto service = parse_number<std::uint32_t>(parts[2]),
                   node = parse_number<std::uint32_t>(parts[3]);
        if (size && service && node)
            unneeded.objects_[unneeded_key(*digest)] = {*size,
                                                        {from_unix(*service), from_unix(*node)}};
    }
    return unneeded;
}

std::string Unneeded::text() const
{
    std::string text = bucket_id_ + "\n";
    for (const auto& [key, object] : objects_)
        text += fmt::format("{} {} {} {}\n", to_hex(key.data(), key.size()), object.size_bytes,
                            to_unix(object.since.service), to_unix(object.since.node));
    return text;
}

void Unneeded::load(const std::filesystem::path& file)
{
    const auto bytes = read_file(file, kMostFileBytes);
    *this = parse(bytes ? *bytes : "");
}

Result<void> Unneeded::save(const std::filesystem::path& file) const
{
    return write_file_durably(file, text());
}

void Unneeded::begin(std::string_view bucket_id)
{
    if (bucket_id_ == bucket_id)
        return;
    bucket_id_ = bucket_id;
    objects_.clear();
}

void Unneeded::replace_part(std::uint8_t first, Part found)
{
    Key from{};
    from[0] = first;
    auto at = objects_.lower_bound(from);
    while (at != objects_.end() && at->first[0] == first) {
        const auto again = found.find(at->first);
        if (again == found.end()) {
            at = objects_.erase(at);
            continue;
        }
        at->second.size_bytes = again->second.size_bytes;
        found.erase(again);
        ++at;
    }
    for (auto& [key, object] : found)
        if (objects_.size() < kMostUnneeded)
            objects_.emplace(key, object);
}

const Unneeded::Object* Unneeded::find(const Key& key) const
{
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : &found->second;
}

}  // namespace aptward::s3
