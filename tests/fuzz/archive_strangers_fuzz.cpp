// SPDX-License-Identifier: GPL-3.0-or-later
// Places that no archive claims are the same after a restart, whatever clients asked for. Lines
// that are the target of a proxied request are noted, the others are restored as they are.
#include <algorithm>
#include <cstdint>

#include "archive/strangers.h"
#include "base/check.h"
#include "base/lines.h"
#include "http/message.h"
#include "input.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    std::string_view rest(reinterpret_cast<const char*>(bytes), size);
    archive::Strangers strangers;
    while (!rest.empty()) {
        const std::string_view line = take_line(rest);
        const auto target = http::parse_target("GET", line);
        if (target && target->form == http::Target::Form::absolute)
            strangers.note(target->host, target->path, target->is_https, "192.0.2.7",
                           from_unix(1'764'148'800));
        else
            strangers.restore(line);
    }
    archive::Strangers again;
    again.restore(strangers.save());
    CHECK(again.save() == strangers.save(), "they are saved as they were restored");
    const auto before = strangers.all(), after = again.all();
    CHECK(before.size() == after.size(), "none is lost");
    for (std::size_t i = 0; i < before.size(); ++i)
        CHECK(after[i].host == before[i].host && after[i].folder == before[i].folder &&
                  after[i].is_https == before[i].is_https &&
                  after[i].requests == before[i].requests && after[i].last == before[i].last &&
                  after[i].clients == before[i].clients,
              "nor changed");
    return 0;
}
