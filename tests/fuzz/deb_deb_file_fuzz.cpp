// SPDX-License-Identifier: GPL-3.0-or-later
// A .deb whole, and the same bytes as a bare tar: packed members would hide the tar reader.
#include <cstdlib>

#include "deb/deb_file.h"

namespace {

bool leaves(const std::string& path)
{
    return (!path.empty() && path.front() == '/') || path == ".." || path.rfind("../", 0) == 0 ||
           path.find("/../") != std::string::npos ||
           (path.size() >= 3 && path.compare(path.size() - 3, 3, "/..") == 0);
}

void check(const aptward::deb::TarMember& member)
{
    using Kind = aptward::deb::TarMember::Kind;
    if (leaves(member.path) || member.size_bytes != member.content.size() ||
        (member.kind == Kind::hardlink && leaves(member.link)))
        std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    using namespace aptward::deb;
    const std::string_view text(static_cast<const char*>(static_cast<const void*>(bytes)), size);
    (void)scan_tar(text, check);
    DebFile deb;
    if (!read_deb(text, deb))
        return 0;
    if (deb.package.empty() || deb.version.empty() || deb.architecture.empty())
        std::abort();
    (void)scan_deb_data(deb, 1 << 20, check);
    return 0;
}
