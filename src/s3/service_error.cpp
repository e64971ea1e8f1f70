// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/service_error.h"

#include <algorithm>

#include "base/text.h"
#include "s3/xml.h"

namespace aptward::s3 {
namespace {

constexpr std::size_t kMostCodeBytes = 64, kMostMessageBytes = 300;
constexpr std::size_t kMostChildren = 32;

}  // namespace

std::optional<ServiceError> read_service_error(std::string_view xml)
{
    if (xml.size() > kMostErrorBytes)
        return std::nullopt;
    XmlCursor cursor(xml);
    if (!cursor.open_document("Error"))
        return std::nullopt;
    std::optional<std::string> code, message;
    for (std::size_t children = 0;; ++children) {
        cursor.skip_spaces();
        if (cursor.is_at_closing())
            break;
        std::string_view name;
        bool is_over = false;
        if (children == kMostChildren || !cursor.open(name, is_over))
            return std::nullopt;
        const auto text = is_over ? std::optional(std::string()) : plain_xml(cursor.text());
        if (!text || (!is_over && !cursor.close(name)))
            return std::nullopt;
        auto* const to = name == "Code" ? &code : name == "Message" ? &message : nullptr;
        if (to == nullptr)
            continue;
        if (*to)
            return std::nullopt;  // which of the two counts is anybody's guess
        *to = text;
    }
    if (!cursor.close("Error"))
        return std::nullopt;
    cursor.skip_spaces();
    if (!cursor.is_at_end() || !code || code->empty() || code->size() > kMostCodeBytes ||
        !std::all_of(code->begin(), code->end(), is_xml_word))
        return std::nullopt;
    return ServiceError{*code, printable(message.value_or("").substr(0, kMostMessageBytes))};
}

}  // namespace aptward::s3
