// SPDX-License-Identifier: GPL-3.0-or-later
// What the reader of a bundle takes from a stranger's file, by the first byte: the text of the
// note, the manifest, the seek table, headers of tar, frames, and relations of packages. What is
// read is written as it was, or as one that reads the same.
#include "base/check.h"
#include "bundle/bundle.h"
#include "bundle/frames.h"
#include "bundle/layout.h"
#include "bundle/tar_header.h"
#include "deb/deb.h"
#include "input.h"

using namespace aptward;

namespace {

void check_heading(std::string_view text)
{
    const auto heading = bundle::parse_heading(text);
    if (!heading)
        return;
    CHECK(bundle::to_text(*heading) == text, "there is one form");
    CHECK(heading->manifest.size_bytes <= bundle::kMaxManifestBytes, "a bound on memory");
}

void check_manifest(std::string_view json)
{
    const auto manifest = bundle::parse_manifest(json);
    if (!manifest)
        return;
    const std::string written = bundle::to_json(*manifest);
    const auto again = bundle::parse_manifest(written);
    CHECK(again && bundle::to_json(*again) == written, "it is written as it reads");
    const bundle::Layout layout(100, *manifest, written.size());
    for (std::size_t i = 0; i < manifest->members.size(); ++i) {
        const bundle::Member& member = manifest->members[i];
        CHECK(manifest->find(member.name) == &member, "a name is there once");
        CHECK(member.name.size() <= 100 && member.name.find("..") == std::string::npos &&
                  member.name.front() != '/',
              "no name leads anywhere else");
        CHECK(layout.member_at(i) + member.digest.size_bytes <= layout.end_at(), "in its place");
    }
}

// The table, and in front of it four bytes: how long the frames are.
void check_seek_table(std::string_view bytes)
{
    std::uint64_t packed = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(4, bytes.size()); ++i)
        packed = packed << 8 | static_cast<unsigned char>(bytes[i]);
    bytes.remove_prefix(std::min<std::size_t>(4, bytes.size()));
    const auto table = bundle::SeekTable::parse(bytes, packed + bytes.size());
    if (!table)
        return;
    CHECK(table->to_bytes() == bytes, "there is one form");
    for (const bundle::Frame& frame : table->frames()) {
        CHECK(&table->at(frame.from) == &frame, "a frame is found by its first byte");
        CHECK(frame.bytes <= bundle::kMaxFrameBytes, "a bound on memory");
        CHECK(frame.at + frame.packed_bytes <= packed, "inside the file");
    }
}

void check_tar_header(std::string_view header)
{
    const auto size = bundle::size_in_tar_header(header, bundle::kNoteName);
    CHECK(!size || *size <= bundle::kLargestMember, "what a header can say");
}

void check_frame(std::string_view bytes)
{
    const std::string packed = bundle::pack_frame(bytes, 1);
    const auto unpacked = bundle::unpack_frame(packed, bytes.size());
    CHECK(bytes.empty() || (unpacked && *unpacked == bytes), "it is read as it is written");
    for (const std::uint64_t wanted : {bytes.size(), 2 * bytes.size(), std::size_t{1000}})
        if (const auto other = bundle::unpack_frame(bytes, wanted))
            CHECK(other->size() == wanted, "exactly what was announced");
}

void check_relations(std::string_view text)
{
    for (const auto& group : deb::parse_relations(text))
        CHECK(!group.empty() && !group.front().empty(), "each names a package");
    const std::size_t half = text.size() / 2;
    const std::string_view a = text.substr(0, half), b = text.substr(half);
    const int order = deb::compare_versions(a, b), reverse = deb::compare_versions(b, a);
    CHECK((order < 0) == (reverse > 0) && (order == 0) == (reverse == 0), "an order");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    return fuzz::choose(bytes, size, check_heading, check_manifest, check_seek_table,
                        check_tar_header, check_frame, check_relations);
}
