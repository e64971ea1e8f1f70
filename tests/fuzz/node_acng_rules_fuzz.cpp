// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever apt-cacher-ng's files hold, what is printed is text of whole lines, each list entry
// is of plain letters, and nothing of it can leave its quotes or its comment.
#include <cstdint>
#include <cstdlib>

#include "node/acng_rules.h"

using namespace aptward::node;

namespace {

void require(bool holds)
{
    if (!holds)
        std::abort();
}

void require_plain(const std::vector<std::string>& texts)
{
    for (const std::string& text : texts)
        for (const char c : text)
            require(c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '#');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view input(static_cast<const char*>(static_cast<const void*>(bytes)), size);
    AcngRules rules;
    read_acng_conf(input, rules);
    const ReadAcngList lists = [&](const std::string&) { return read_acng_list(input); };
    const FindKeyrings keyrings = [](const std::string& vendor) {
        return std::vector<std::string>{"/keys/" + vendor};
    };
    const AcngTranslation done = translate_acng(rules, lists, keyrings);
    for (const AcngArchive& archive : done.archives) {
        require(!archive.id.empty() && !archive.upstreams.empty());
        require_plain({archive.id, archive.proxy});
        require_plain(archive.hosts);
        require_plain(archive.upstreams);
    }
    require_plain(done.connect_hosts);
    for (const char c : acng_toml(done))
        require(c == '\n' || (c >= 0x20 && c < 0x7f));
    return 0;
}
