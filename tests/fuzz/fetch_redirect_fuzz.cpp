// SPDX-License-Identifier: GPL-3.0-or-later
// A chain of redirects, as a hostile source would write it (A18). The first byte chooses http or
// https, each further line is a Location. Where curl would go is where we think that it goes: no
// userinfo, no other scheme, no way back from https; and "the same host" is the host and port of
// the first URL, because credentials and private addresses stay allowed there.
#include <curl/curl.h>

#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/lines.h"
#include "fetch/redirect.h"
#include "input.h"

using namespace aptward;

namespace {

std::string part_of(CURLU* url, CURLUPart part)
{
    char* text = nullptr;
    std::string copy;
    if (curl_url_get(url, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) ==
        CURLUE_OK)
        copy = text;
    curl_free(text);
    return copy;
}

struct Place {
    bool is_url = false;
    std::string scheme, host, port, user;
};

Place place_of(const std::string& url)
{
    Place place;
    CURLU* const parts = curl_url();
    if (curl_url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK)
        place = {true, part_of(parts, CURLUPART_SCHEME), part_of(parts, CURLUPART_HOST),
                 part_of(parts, CURLUPART_PORT), part_of(parts, CURLUPART_USER)};
    curl_url_cleanup(parts);
    return place;
}

void check_text(const std::string& url)
{
    for (const char c : url)
        CHECK(static_cast<unsigned char>(c) > 0x20 && c != 0x7f, "no control byte in what is read");
    const std::size_t host = url.find("://") + 3;
    CHECK(url.find_first_of("/?#", host) < url.size() && url[url.find_first_of("/?#", host)] == '/',
          "a path follows the host");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    if (size == 0)
        return 0;
    std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
    std::string url = bytes[0] % 2 == 0 ? "http://archive.example/ubuntu/dists/noble/InRelease"
                                        : "https://archive.example:8443/InRelease?x=1";
    const Place home = place_of(url);
    bool is_home = true, was_https = bytes[0] % 2 == 1;
    for (int hop = 0; hop < fetch::kMaxRedirects; ++hop) {
        const std::string_view location = take_line(rest);
        const auto redirect = fetch::judge_redirect(url, location);
        if (!redirect)
            return 0;
        url = redirect->url;
        is_home = is_home && redirect->is_same_host;
        check_text(url);
        const Place there = place_of(url);
        if (!there.is_url)
            return 0;  // curl refuses it: nobody goes there
        CHECK(there.user.empty(), "no userinfo");
        CHECK(there.scheme == "https" || (there.scheme == "http" && !was_https), "no way down");
        CHECK(!is_home || (there.host == home.host && there.port == home.port &&
                           there.scheme == home.scheme),
              "at home is where it began");
        was_https = there.scheme == "https";
    }
    return 0;
}
