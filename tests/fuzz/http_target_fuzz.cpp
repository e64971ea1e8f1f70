// SPDX-License-Identifier: GPL-3.0-or-later
// Normalising is idempotent: a path, encoded and read again, is the same path. And no path that
// was accepted has a component, byte or host that could mean something else further on.
// Input: a method, a newline, a target.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/message.h"

using namespace aptward::http;

namespace {

void require(bool holds)
{
    if (!holds)
        std::abort();
}

void check_path(const Target& target)
{
    require(target.path.starts_with('/') && target.raw_path.starts_with('/'));
    const std::string bounded = target.path + "/";
    for (const std::string_view bad : {"//", "/./", "/../", "\\"})
        require(bounded.find(bad) == std::string::npos ||
                (bad == "//" && target.path.ends_with('/')));
    for (const char c : target.path)
        require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    const std::string encoded = encode_path(target.path);
    if (encoded.size() > kMaxTargetBytes)
        return;
    const auto again = parse_target("GET", encoded);
    require(again && again->path == target.path && again->form == Target::Form::origin);
    const auto raw_again = parse_target("GET", target.raw_path);
    require(raw_again && raw_again->path == target.path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    const std::size_t newline = input.find('\n');
    if (newline == std::string_view::npos)
        return 0;
    const auto target = parse_target(input.substr(0, newline), input.substr(newline + 1));
    if (!target)
        return 0;
    require(target->port != 0);
    require(target->host.find_first_of("/@?#%\\[] ") == std::string::npos);
    if (target->form == Target::Form::origin || target->form == Target::Form::absolute)
        check_path(*target);
    require(target->host.empty() ==
            (target->form == Target::Form::origin || target->form == Target::Form::asterisk));
    return 0;
}
