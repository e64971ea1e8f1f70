// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/answers.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace aptward::console {
namespace {

// "%2B" -> "+"; a '%' that begins no byte stands for itself.
std::string decoded(std::string_view text)
{
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::uint8_t byte = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr ==
                text.data() + i + 3) {
            plain += static_cast<char>(byte);
            i += 2;
            continue;
        }
        plain += text[i];
    }
    return plain;
}

}  // namespace

http::Async<bool> send_json(http::Exchange& exchange, std::string text)
{
    http::Answer answer(200);
    answer.type("application/json");
    co_return co_await exchange.send(std::move(answer), text);
}

http::Async<bool> send_text(http::Exchange& exchange, int status, std::string text)
{
    http::Answer answer(status);
    answer.type("text/plain; charset=utf-8");
    co_return co_await exchange.send(std::move(answer), text);
}

std::optional<std::string> parameter(std::string_view query, std::string_view name)
{
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view part = query.substr(0, end);
        const std::size_t equals = std::min(part.find('='), part.size());
        if (part.substr(0, equals) == name)
            return decoded(part.substr(std::min(equals + 1, part.size())));
        query.remove_prefix(std::min(end + 1, query.size()));
    }
    return std::nullopt;
}

std::int64_t number_parameter(std::string_view query, std::string_view name, std::int64_t standard,
                              std::int64_t least, std::int64_t most)
{
    const auto text = parameter(query, name);
    const auto number = text ? parse_number<std::int64_t>(*text) : std::nullopt;
    return std::clamp(number.value_or(standard), least, most);
}

}  // namespace aptward::console
