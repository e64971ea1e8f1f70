// SPDX-License-Identifier: GPL-3.0-or-later
// What paths, hosts and networks mean to an archive. A name taken apart is its path again, in the
// suite whose folder it stands in; a prefix takes whole parts of a path; each member of a network
// is in it. Input, a line each: path, known suite, auxiliary pattern, host prefix, network.
#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>

#include "archive/auxiliary.h"
#include "archive/front.h"
#include "archive/import_releases.h"
#include "archive/names.h"
#include "archive/snapshot_names.h"
#include "base/check.h"
#include "base/lines.h"
#include "input.h"

using namespace aptward;

namespace {

// As http/target gives it out, without its first slash.
bool is_normalised(std::string_view path)
{
    const std::string bounded = "/" + std::string(path);
    return bounded.find("//") == bounded.npos && (bounded + "/").find("/./") == bounded.npos &&
           (bounded + "/").find("/../") == bounded.npos;
}

void check_name(std::string_view path, std::string_view suite)
{
    using Kind = archive::Name::Kind;
    const archive::Name name = archive::read_name(path, {suite, "noble", "noble/updates", "/"});
    if (name.kind == Kind::pool) {
        CHECK(name.rest == path && name.suite.empty(), "a pool path is a path");
        return;
    }
    const std::string whole = archive::suite_folder(name.suite) + name.rest;
    CHECK(whole == path || (name.rest.empty() && whole == std::string(path) + "/"),
          "a suite's folder and the rest are the path");
    if (name.kind == Kind::release_file)
        CHECK(name.rest == "InRelease" || name.rest == "Release" || name.rest == "Release.gpg",
              "a release has three files");
    if (name.kind != Kind::by_hash)
        return;
    CHECK(parse_digest(name.hex, 0) && parse_digest(name.hex, 0)->hex() == name.hex,
          "by-hash names a digest, in lower case");
    CHECK(name.rest.starts_with(name.directory.empty() ? "by-hash/" : name.directory + "/by-hash/"),
          "of a file of its directory");
}

void check_snapshot(std::string_view path)
{
    const std::string bounded = "/" + std::string(path);
    if (const auto own = archive::read_own_snapshot(bounded)) {
        CHECK(own->moment.find('/') == own->moment.npos &&
                  own->archive.find('/') == own->archive.npos,
              "a moment and an archive are a part of the path each");
        std::string whole = "/snapshot/" + own->moment;
        if (whole.size() < bounded.size())
            whole += "/" + own->archive;
        if (whole.size() < bounded.size())
            whole += "/" + own->rest;
        CHECK(whole == bounded, "they and the rest are the path");
    }
    const auto vendors = archive::read_vendor_snapshot("snapshot.debian.org", bounded);
    CHECK(!vendors || bounded.ends_with(vendors->moment + "/" + vendors->rest) ||
              bounded.ends_with(vendors->moment),
          "so it is with a vendor's");
    const auto time = catalog::parse_stamp(path);
    CHECK(!time || catalog::format_stamp(*time).starts_with(path),
          "a stamp is written as it reads");
}

void check_auxiliary(std::string_view path, const std::string& pattern)
{
    const archive::AuxiliaryName name = archive::read_auxiliary(path, {pattern});
    CHECK(!name.may_pass_unproven || (name.signed_file.empty() && name.sums.empty()),
          "what can be proven passes by its proof only");
    CHECK(!name.may_pass_unproven || archive::fits_pattern(path, pattern), "the rest by a pattern");
    CHECK(name.signed_file.empty() || path == name.signed_file ||
              (name.is_signature && path == name.signed_file + ".gpg"),
          "a signature is NAME.gpg");
    for (const std::string& sums : name.sums)
        CHECK(path.starts_with(sums.substr(0, sums.rfind('/') + 1)),
              "sums list what is below them");
    if (pattern.find('*') == pattern.npos && !pattern.ends_with('/') && !pattern.empty())
        CHECK(archive::fits_pattern(path, pattern) == (path == pattern), "no star, no choice");
}

void check_prefix(std::string_view text, std::string_view path)
{
    const archive::Prefix prefix = archive::read_prefix(text, 7);
    CHECK(!prefix.path.ends_with('/') && prefix.host.find('/') == prefix.host.npos,
          "a host, and a path without its last slash");
    const std::string asked = "/" + std::string(path);
    if (const auto found = archive::find_prefix({prefix}, prefix.host, asked)) {
        CHECK(found->archive == 7 && found->path_bytes <= asked.size(), "part of the path");
        CHECK(found->path_bytes == asked.size() || asked[found->path_bytes] == '/', "a whole one");
    }
    if (prefix.path.empty() || prefix.path.front() == '/')
        CHECK(archive::find_prefix({prefix}, prefix.host, prefix.path + "/x"), "it takes its own");
}

// Where a foreign release lies.
void check_stock(std::string_view path, std::string_view text)
{
    const std::string folder = "/" + std::string(path);
    for (const auto& suite : {archive::suite_below(folder, archive::read_prefix(text, 0)),
                              archive::suite_behind_dists(folder)}) {
        if (!suite)
            continue;
        std::string end = "/" + archive::suite_folder(*suite);
        end.pop_back();
        CHECK(folder.ends_with(end), "its suite is the end of its path");
    }
}

void check_network(const std::string& text)
{
    const auto network = archive::parse_network(text);
    if (!network)
        return;
    const bool is_v4 = network->address.size() == 4;
    CHECK(network->bits <= network->address.size() * 8, "as many bits as there are");
    const auto text_of = [&](const std::vector<std::uint8_t>& address) {
        char printed[INET6_ADDRSTRLEN] = "";
        ::inet_ntop(is_v4 ? AF_INET : AF_INET6, address.data(), printed, sizeof printed);
        return std::string(printed);
    };
    CHECK(network->contains(text_of(network->address)), "its own address is in it");
    for (unsigned bit = 0; bit < network->address.size() * 8; ++bit) {
        std::vector<std::uint8_t> other = network->address;
        other[bit / 8] = static_cast<std::uint8_t>(other[bit / 8] ^ 0x80U >> bit % 8);
        CHECK(network->contains(text_of(other)) == (bit >= network->bits), "others by their bits");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    std::string_view rest(reinterpret_cast<const char*>(bytes), size);
    const std::string_view path = take_line(rest);
    const std::string_view suite = take_line(rest);
    const std::string pattern(take_line(rest));
    if (is_normalised(path)) {
        check_name(path, suite);
        check_auxiliary(path, pattern);
    }
    check_snapshot(path);
    const std::string_view prefix = take_line(rest);
    check_prefix(prefix, path);
    if (is_normalised(path) && !path.ends_with('/'))
        check_stock(path, prefix);
    check_network(std::string(rest));
    return 0;
}
