// SPDX-License-Identifier: GPL-3.0-or-later
// What nodes ask each other: a request that was read is written as one that reads the same, and
// leads nowhere but below an archive. Input: a target.
#include "base/check.h"
#include "deb/deb.h"
#include "http/message.h"
#include "input.h"
#include "peer/request.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const auto target = http::parse_target("GET", {reinterpret_cast<const char*>(bytes), size});
    if (!target || target->form != http::Target::Form::origin)
        return 0;
    const auto asked = peer::parse_request(target->path, target->query);
    if (!asked)
        return 0;
    const std::string written =
        std::visit([](const auto& one) { return "/" + peer::path_of(one); }, *asked);
    if (written.size() > http::kMaxTargetBytes)
        return 0;
    const auto again = http::parse_target("GET", written);
    CHECK(again && peer::parse_request(again->path, again->query), "it is written as it reads");
    CHECK(again->path == target->path && again->query == target->query, "each thing has one name");
    if (const auto* file = std::get_if<peer::AskedFile>(&*asked))
        CHECK(deb::clean_relative_path(file->path) == file->path, "it stays below the archive");
    return 0;
}
