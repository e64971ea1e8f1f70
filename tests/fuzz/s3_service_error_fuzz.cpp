// SPDX-License-Identifier: GPL-3.0-or-later
// What a service says when it refuses, and a credentials file, by the first byte.
#include <algorithm>

#include "base/check.h"
#include "input.h"
#include "s3/health.h"
#include "s3/service_error.h"
#include "s3/sign.h"

using namespace aptward;

namespace {

void check_error(std::string_view xml)
{
    const auto error = s3::read_service_error(xml);
    if (!error)
        return;
    CHECK(!error->code.empty() && error->code.size() <= 64, "codes are short");
    CHECK(std::all_of(error->message.begin(), error->message.end(),
                      [](char c) { return c >= ' ' && c <= '~'; }),
          "what people are shown is printable");
    s3::Answer answer;
    answer.status = 403;
    answer.body = xml;
    CHECK(s3::look_at(answer).health != s3::Health::good, "a refusal is none that is good");
}

void check_credentials(std::string_view text)
{
    const auto read = s3::read_credentials(text);
    if (!read)
        return;
    const auto again = s3::read_credentials(read->access_key + "\n" + read->secret_key + "\n");
    CHECK(again && again->access_key == read->access_key && again->secret_key == read->secret_key,
          "it is read as it is written");
    for (const std::string& line :
         s3::sign({"GET", "http://h/b", s3::sha256_of_nothing()}, *read, "r", SystemTime()))
        CHECK(line.find_first_of("\r\n") == std::string::npos, "a header line is one line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    return fuzz::choose(bytes, size, check_error, check_credentials);
}
