// SPDX-License-Identifier: GPL-3.0-or-later
// Who a request is. Input: a file of tokens, a line "%", and the head of a request for one of the
// tokens below. A file that is taken has a role, a name and a credential on each line, and reads
// the same in its plainest form; a request gets no role but that of the one token that it shows,
// and never by the Authorization of a request that is for another server.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/lines.h"
#include "base/text.h"
#include "http/principal.h"
#include "input.h"

using namespace aptward;

namespace {

// SHA-256 of "alpha" and "beta".
constexpr std::string_view kTokens =
    "operator alice 8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8\n"
    "viewer bob f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753\n"
    "admin web1.example cert\n";

void check_file(std::string_view text)
{
    const auto tokens = http::Tokens::parse(text);
    if (!tokens)
        return;
    std::string plain;
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view line = take_line(rest);
        const auto fields = words(line);
        if (fields.empty() || fields[0].front() == '#')
            continue;
        CHECK(fields.size() == 3 && http::parse_role(fields[0]), "a role, a name, a credential");
        const http::Tokens::Entry* entry = tokens->find_certificate(fields[1]);
        CHECK(fields[2] != "cert" || (entry != nullptr && entry->name == fields[1]),
              "a certificate can be found");
        plain.append(fields[0]).append(" ").append(fields[1]) += " " + to_lower(fields[2]) + "\n";
    }
    CHECK(http::Tokens::parse(plain), "it reads the same in its plainest form");
    CHECK(tokens->find_token("") == nullptr, "no token is nobody's");
}

void check_request(std::string_view bytes)
{
    static const auto kAll = std::make_shared<const http::Tokens>(*http::Tokens::parse(kTokens));
    const auto head = http::parse_request_head(bytes);
    if (!head || !*head)
        return;
    http::Admission door;
    door.authentication = http::Authentication::token;
    door.role = http::Role::none;
    door.tokens = kAll;
    const auto principal = http::admit(door, {}, **head);
    if (!principal)
        return;
    CHECK(principal->recognised_by == http::Authentication::token, "by a token only");
    CHECK((principal->name == "alice" && principal->role == http::Role::operating) ||
              (principal->name == "bob" && principal->role == http::Role::viewer),
          "a name with its own role");
    const bool is_for_others =
        (**head).method == "CONNECT" || (**head).target.starts_with("http://");
    // header() knows a name that stands once only, and a strange scheme may stand beside a token.
    const auto& headers = (**head).headers;
    const bool has_our_own = std::any_of(headers.begin(), headers.end(), [](const auto& header) {
        return equals_ignoring_case(header.name, "Proxy-Authorization");
    });
    CHECK(!is_for_others || has_our_own, "Authorization is the archive's in a proxied request");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    constexpr std::string_view kBetween = "%\n";
    const std::size_t middle = std::min(input.find(kBetween), input.size());
    check_file(input.substr(0, middle));
    check_request(input.substr(std::min(middle + kBetween.size(), input.size())));
    return 0;
}
