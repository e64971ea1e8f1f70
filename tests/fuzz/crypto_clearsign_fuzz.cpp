// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever the splitter accepts can be written again in its plainest form, and reads the same.
#include "base/check.h"
#include "crypto/crypto.h"

using namespace aptward;

namespace {

std::string wrapped(const crypto::SignedText& message)
{
    std::string bytes = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n";
    std::string_view rest = message.text;
    for (bool has_more = true; has_more;) {
        const std::size_t end = rest.find('\n');
        has_more = end != std::string_view::npos;
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(has_more ? end + 1 : rest.size());
        bytes.append(line.substr(0, 1) == "-" ? "- " : "").append(line) += '\n';
    }
    return bytes + message.signatures;
}

void check_text(std::string_view text)
{
    CHECK(text.find('\0') == std::string_view::npos, "V7: no NUL");
    CHECK(text.find('\r') == std::string_view::npos, "only line ends may have a CR");
    CHECK(text.find(" \n") == std::string_view::npos && text.find("\t\n") == std::string_view::npos,
          "V4: lines are stripped");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size)
{
    const std::string input(bytes, bytes + size);
    if (const auto message = crypto::split_clearsigned(input)) {
        check_text(message->text);
        const auto again = crypto::split_clearsigned(wrapped(*message));
        // Dash escapes may push a line over the limit.
        if (again) {
            CHECK(again->text == message->text, "the same text");
            CHECK(again->signatures == message->signatures, "the same signatures");
        }
        const auto joined = crypto::join_detached(message->text, message->signatures);
        CHECK(joined && joined->signatures == message->signatures, "V9 takes what V6 wrote");
    }
    const std::string_view whole = input;
    const std::size_t middle = size / 2;
    if (const auto joined = crypto::join_detached(whole.substr(0, middle), whole.substr(middle)))
        CHECK(joined->text == whole.substr(0, middle), "V9: the text as it is");
    return 0;
}
