// SPDX-License-Identifier: GPL-3.0-or-later
// The first line is an address: one that embeds an IPv4 address is as private as that, and what is
// no address is private. The other lines are an answer's head, all hostile: what is taken of them
// stands in them as it is, without blanks around it.
#include <arpa/inet.h>

#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/lines.h"
#include "base/text.h"
#include "http/client_transfer.h"
#include "input.h"

using namespace aptward;

namespace {

void check_address(const std::string& address)
{
    ::in_addr v4{};
    ::in6_addr v6{};
    const bool is_private = http::is_private_address(address);
    if (::inet_pton(AF_INET, address.c_str(), &v4) != 1) {
        CHECK(is_private || ::inet_pton(AF_INET6, address.c_str(), &v6) == 1,
              "nothing to connect to");
        return;
    }
    CHECK(http::is_private_address("::ffff:" + address) == is_private, "mapped: RFC 4291 2.5.5");
    CHECK(http::is_private_address("64:ff9b::" + address) == is_private, "NAT64: RFC 6052");
    v6.s6_addr[0] = 0x20;
    v6.s6_addr[1] = 0x02;
    std::memcpy(&v6.s6_addr[2], &v4, sizeof v4);
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET6, &v6, text, sizeof text);
    CHECK(http::is_private_address(text) == is_private, "6to4: RFC 3056");
}

void check_field(std::string_view field, std::string_view head)
{
    CHECK(head.find(field) != head.npos && trim(field) == field, "a field as it came");
    CHECK(field.find('\n') == field.npos, "of one line");
}

void check_number(std::optional<std::uint64_t> number, std::string_view head)
{
    CHECK(!number || head.find(std::to_string(*number)) != head.npos, "a number as it came");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    std::string_view rest(reinterpret_cast<const char*>(bytes), size);
    const std::string_view address = take_line(rest);
    check_address(std::string(address));

    const std::string_view text = rest;
    http::UpstreamHead head;
    while (!rest.empty()) {
        const std::string_view line = take_line(rest);
        http::read_head_line(line, head);
    }
    for (const std::string* field :
         {&head.last_modified, &head.etag, &head.location, &head.content_type})
        check_field(*field, text);
    for (const auto& number : {head.content_length, head.range_first, head.range_total})
        check_number(number, text);
    CHECK(head.status == 0, "the status is curl's");
    return 0;
}
