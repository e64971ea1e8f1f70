// SPDX-License-Identifier: GPL-3.0-or-later
// The first line is an Authorization header: what is read of Basic credentials is what it says,
// and nothing in it can end a line of another request. The second is a name, and the others a
// SHA256SUMS: its hash is one that stands there beside that name, however the lines are ordered.
#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>

#include "archive/admission.h"
#include "archive/auxiliary.h"
#include "base/check.h"
#include "base/lines.h"
#include "base/text.h"
#include "input.h"

using namespace aptward;

namespace {

std::string base64(const std::string& text)
{
    std::vector<unsigned char> digits(text.size() / 3 * 4 + 5);
    const int count =
        ::EVP_EncodeBlock(digits.data(), reinterpret_cast<const unsigned char*>(text.data()),
                          static_cast<int>(text.size()));
    return std::string(digits.begin(), digits.begin() + count);
}

void check_basic(std::string_view header)
{
    const auto read = archive::parse_basic(header);
    if (!read)
        return;
    CHECK(!read->user.empty() && read->user.find(':') == std::string::npos, "a user has no colon");
    const std::string both = read->user + ":" + read->password;
    CHECK(std::none_of(both.begin(), both.end(),
                       [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }),
          "no control bytes");
    const auto again = archive::parse_basic("Basic " + base64(both));
    CHECK(again && again->user == read->user && again->password == read->password,
          "written again it reads the same");
}

void check_sums(std::string_view text, std::string_view name)
{
    const auto sum = archive::find_sum(text, name);
    if (!sum) {
        CHECK(sum.error().code() == Errc::not_found || sum.error().code() == Errc::malformed,
              "not listed, or listed twice");
        return;
    }
    std::vector<std::string_view> lines;
    bool is_listed = false;
    for (std::string_view rest = text; !rest.empty();) {
        lines.push_back(take_line(rest));
        is_listed |= lines.back().size() > 66 &&
                     to_lower(lines.back().substr(0, 64)) == sum->hex() &&
                     lines.back().ends_with(name.substr(name.rfind('/') + 1));
    }
    CHECK(is_listed, "a hash beside the name");
    std::string backwards;
    for (auto line = lines.rbegin(); line != lines.rend(); ++line)
        backwards.append(*line) += '\n';
    const auto again = archive::find_sum(backwards, name);
    CHECK(again && *again == *sum, "whatever the order");
    backwards += std::string(64, '0') + "  " + std::string(name) + "\n";
    CHECK(sum->hex() == std::string(64, '0') || !archive::find_sum(backwards, name),
          "two hashes are none");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    std::string_view rest(reinterpret_cast<const char*>(bytes), size);
    check_basic(take_line(rest));
    const std::string_view name = take_line(rest);
    check_sums(rest, name);
    return 0;
}
