// SPDX-License-Identifier: GPL-3.0-or-later
// The first line is a value of the configuration: what is accepted means to curl, to the prefixes
// and to the suites of an archive what it says. The other lines are a list of mirrors: its URLs
// are the first words of its lines.
#include <curl/curl.h>

#include <algorithm>
#include <cstdint>

#include "archive/names.h"
#include "base/check.h"
#include "base/text.h"
#include "deb/deb.h"
#include "node/config_checks.h"
#include "node/mirror_list.h"

using namespace aptward;

namespace {

std::string part_of(const std::string& url, CURLUPart part)
{
    CURLU* const parts = curl_url();
    char* text = nullptr;
    std::string copy;
    if (curl_url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
        curl_url_get(parts, part, &text, 0) == CURLUE_OK)
        copy = text;
    curl_free(text);
    curl_url_cleanup(parts);
    return copy;
}

void check_value(const std::string& text)
{
    if (node::check_upstream(text)) {
        const std::string rest = text.substr(text.find("://") + 3);
        const std::string host = part_of(text, CURLUPART_HOST);
        // An address is given in its own spelling: "127.1" as "127.0.0.1".
        CHECK(host.find_first_not_of("0123456789.") == host.npos || host.front() == '[' ||
                  rest.starts_with(host),
              "curl asks the host that stands there");
        CHECK(part_of(text, CURLUPART_USER).empty() && part_of(text, CURLUPART_QUERY).empty(),
              "with nothing hidden in it");
    }
    if (node::check_host_prefix(text)) {
        const archive::Prefix prefix = archive::read_prefix(text, 0);
        CHECK(!prefix.host.empty() && (prefix.path.empty() || prefix.path.front() == '/'),
              "a prefix has a host");
        CHECK(archive::find_prefix({prefix}, prefix.host, prefix.path + "/dists/noble/InRelease"),
              "and takes what is below it");
        CHECK(prefix.path.find("://") != std::string::npos ||  // behind a scheme of its own only
                  node::check_host_prefix(prefix.host + prefix.path),
              "which is a prefix again");
    }
    if (node::check_suite(text)) {
        const std::string path = archive::suite_folder(text) + "InRelease";
        CHECK(path.size() > 4096 || deb::clean_relative_path(path) == path,
              "a suite stays inside its archive");
        const archive::Name name = archive::read_name(path, {text});
        CHECK(name.kind == archive::Name::Kind::release_file, "and its release is found");
    }
    if (node::check_word(text))
        CHECK(words(text) == std::vector<std::string_view>{text}, "a word is one word");
}

void check_list(std::string_view text)
{
    const std::vector<std::string> urls = node::read_mirror_list(text);
    std::string plain;
    for (const std::string& url : urls) {
        CHECK(words(url) == std::vector<std::string_view>{url} && url.front() != '#', "one word");
        plain += url + "\tpriority:1\n# comment\n\n";
    }
    CHECK(node::read_mirror_list(plain) == urls, "comments and attributes change nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    const std::size_t end = std::min(input.find('\n'), input.size());
    check_value(std::string(input.substr(0, end)));
    check_list(input.substr(std::min(end + 1, input.size())));
    return 0;
}
