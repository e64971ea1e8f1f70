// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/listing.h"

#include <fmt/format.h>

#include "base/text.h"
#include "s3/sign.h"
#include "s3/xml.h"

namespace aptward::s3 {
namespace {

constexpr std::size_t kMostKeyBytes = 1024;  // Amazon S3, "Naming objects"
constexpr std::size_t kMostChildren = 32;    // of an object
constexpr std::size_t kMostElements = 3000;  // beside the objects: common prefixes; guess
constexpr unsigned kMostDepth = 4;

// The text of an element that was opened.
std::optional<std::string> read_text(XmlCursor& cursor, std::string_view name, bool is_over)
{
    if (is_over)
        return "";
    auto text = plain_xml(cursor.text());
    return text && cursor.close(name) ? text : std::nullopt;
}

bool skip_element(XmlCursor& cursor, std::string_view name, bool is_over)
{
    return is_over || cursor.skip_rest_of(name, kMostDepth);
}

std::optional<Listed> read_object(XmlCursor& cursor)
{
    std::optional<std::string> key, modified, size;
    for (std::size_t children = 0;; ++children) {
        cursor.skip_spaces();
        if (cursor.is_at_closing())
            break;
        std::string_view name;
        bool is_over = false;
        if (children == kMostChildren || !cursor.open(name, is_over))
            return std::nullopt;
        auto* const to = name == "Key"            ? &key
                         : name == "LastModified" ? &modified
                         : name == "Size"         ? &size
                                                  : nullptr;
        if (to == nullptr) {
            if (!skip_element(cursor, name, is_over))
                return std::nullopt;
            continue;
        }
        if (*to)
            return std::nullopt;
        *to = read_text(cursor, name, is_over);
        if (!*to)
            return std::nullopt;
    }
    if (!cursor.close("Contents") || !key || key->empty() || key->size() > kMostKeyBytes)
        return std::nullopt;
    const auto time = parse_listed_time(modified.value_or(""));
    const auto bytes = parse_number(size.value_or(""));
    if (!time || !bytes)
        return std::nullopt;
    return Listed{std::move(*key), *bytes, *time};
}

}  // namespace

std::string listing_query(std::string_view prefix, std::string_view after)
{
    // In the order of the names, as they are signed.
    std::string query =
        fmt::format("list-type=2&max-keys={}&prefix={}", kMostListed, encode_value(prefix));
    if (!after.empty())
        query += "&start-after=" + encode_value(after);
    return query;
}

std::optional<SystemTime> parse_listed_time(std::string_view text)
{
    // "2026-11-28T06:00:00", with a fraction or without, and "Z".
    constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
    if (text.size() <= kForm.size() || text.size() > 40 || !text.ends_with('Z'))
        return std::nullopt;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    for (std::size_t i = 0; i < kForm.size(); ++i)
        if (kForm[i] == 'd' ? !is_digit(text[i]) : text[i] != kForm[i])
            return std::nullopt;
    const auto number = [&](std::size_t at, std::size_t digits) {
        return parse_number<unsigned>(text.substr(at, digits)).value_or(0);
    };
    const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(number(0, 4))),
                                          std::chrono::month(number(5, 2)),
                                          std::chrono::day(number(8, 2))};
    if (!day.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 60)
        return std::nullopt;
    return SystemTime(std::chrono::sys_days(day)) + std::chrono::hours(number(11, 2)) +
           std::chrono::minutes(number(14, 2)) + std::chrono::seconds(number(17, 2));
}

std::optional<Listing> read_listing(std::string_view xml)
{
    if (xml.size() > kMostListingBytes)
        return std::nullopt;
    XmlCursor cursor(xml);
    if (!cursor.open_document("ListBucketResult"))
        return std::nullopt;
    Listing listing;
    std::optional<std::string> cut;
    for (std::size_t elements = 0;; ++elements) {
        cursor.skip_spaces();
        if (cursor.is_at_closing())
            break;
        std::string_view name;
        bool is_over = false;
        if (elements == kMostElements || !cursor.open(name, is_over))
            return std::nullopt;
        if (name == "Contents" && !is_over) {
            auto object = read_object(cursor);
            if (!object || listing.objects.size() == kMostListed)
                return std::nullopt;
            listing.objects.push_back(std::move(*object));
        } else if (name == "IsTruncated" && !cut) {
            cut = read_text(cursor, name, is_over);
            if (!cut)
                return std::nullopt;
        } else if (!skip_element(cursor, name, is_over)) {
            return std::nullopt;
        }
    }
    if (!cursor.close("ListBucketResult"))
        return std::nullopt;
    cursor.skip_spaces();
    if (!cursor.is_at_end() || !cut || (*cut != "true" && *cut != "false"))
        return std::nullopt;
    listing.is_cut = *cut == "true";
    if (listing.is_cut && listing.objects.empty())
        return std::nullopt;  // there is no place to go on from
    return listing;
}

}  // namespace aptward::s3
