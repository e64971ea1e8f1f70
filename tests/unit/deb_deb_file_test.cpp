// SPDX-License-Identifier: GPL-3.0-or-later
// The crafted files follow the ideas of apt's own bad packages (its tests of invalid ar members
// and of CVE-2020-27350): sizes that are huge, negative or beyond the end, and names that lie.
#include <gmock/gmock.h>

#include <cstdio>

#include "deb/deb_file.h"

namespace aptward::deb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kControl = "Package: foo\nVersion: 1:2.0-1\nArchitecture: all\n";

std::string octal(std::uint64_t value, std::size_t width)
{
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(width) - 1,
                  static_cast<unsigned long long>(value));
    return std::string(text) + '\0';
}

std::string set(std::string header, std::size_t at, const std::string& text)
{
    return header.replace(at, text.size(), text);
}

std::string with_checksum(std::string header)
{
    header.replace(148, 8, 8, ' ');
    unsigned sum = 0;
    for (const char c : header)
        sum += static_cast<unsigned char>(c);
    return set(header, 148, octal(sum, 7));
}

std::string header(const std::string& name, std::uint64_t size, char type = '0',
                   const std::string& link = {})
{
    std::string text(512, '\0');
    text = set(text, 0, name);
    text = set(text, 100, octal(0644, 8));
    text = set(text, 124, octal(size, 12));
    text = set(text, 136, octal(0, 12));
    text[156] = type;
    text = set(text, 157, link);
    text = set(text, 257, std::string("ustar\0", 6) + "00");
    return with_checksum(text);
}

std::string padded(std::string content)
{
    content.resize((content.size() + 511) / 512 * 512);
    return content;
}

std::string file(const std::string& name, const std::string& content, char type = '0')
{
    return header(name, content.size(), type) + padded(content);
}

const std::string kEnd(1024, '\0');

std::string ar_header(const std::string& name, const std::string& size)
{
    char text[64];
    std::snprintf(text, sizeof text, "%-16s%-12s%-6s%-6s%-8s%-10s`\n", name.c_str(), "0", "0", "0",
                  "100644", size.c_str());
    return text;
}

std::string member(const std::string& name, const std::string& content)
{
    return ar_header(name, std::to_string(content.size())) + content +
           (content.size() % 2 == 0 ? "" : "\n");
}

const std::string kMagic = "!<arch>\n";
const std::string kBinary = member("debian-binary", "2.0\n");
const std::string kControlTar = file("./", "", '5') + file("./control", kControl) + kEnd;
const std::string kDataTar = file("./usr/x", "hello") + kEnd;

std::string deb_of(const std::string& control_tar, const std::string& data_tar = kDataTar)
{
    return kMagic + kBinary + member("control.tar", control_tar) + member("data.tar", data_tar);
}

void expect_deb(const std::string& bytes)
{
    DebFile deb;
    const auto read = read_deb(bytes, deb);
    EXPECT_TRUE(read) << read.error().message();
}

void expect_refused(const std::string& bytes, const std::string& because)
{
    DebFile deb;
    const auto read = read_deb(bytes, deb);
    ASSERT_FALSE(read) << because;
    EXPECT_EQ(read.error().code(), Errc::malformed);
    EXPECT_THAT(read.error().message(), HasSubstr(because));
}

void expect_tar_refused(const std::string& tar, const std::string& because)
{
    const auto scanned = scan_tar(tar, [](const TarMember&) {});
    ASSERT_FALSE(scanned) << because;
    EXPECT_EQ(scanned.error().code(), Errc::malformed);
    EXPECT_THAT(scanned.error().message(), HasSubstr(because));
}

std::vector<std::string> paths_of(const std::string& tar)
{
    std::vector<std::string> paths;
    const auto scanned =
        scan_tar(tar, [&](const TarMember& found) { paths.push_back(found.path); });
    EXPECT_TRUE(scanned) << scanned.error().message();
    return paths;
}

TEST(DebFile, ReadsTheControlParagraphAndListsTheContent)
{
    const std::string bytes = deb_of(kControlTar);
    DebFile deb;
    ASSERT_TRUE(read_deb(bytes, deb));
    EXPECT_EQ(deb.package, "foo");
    EXPECT_EQ(deb.version, "1:2.0-1");
    EXPECT_EQ(deb.architecture, "all");
    EXPECT_EQ(deb.usual_name(), "foo_2.0-1_all.deb");
    std::vector<std::string> found;
    ASSERT_TRUE(scan_deb_data(deb, 1 << 20, [&](const TarMember& member) {
        found.push_back(member.path + "=" + std::string(member.content));
    }));
    EXPECT_THAT(found, ElementsAre("usr/x=hello"));
    // Signatures and marks of others stand where deb(5) allows them.
    expect_deb(kMagic + kBinary + member("_mark", "x") + member("control.tar", kControlTar) +
               member("data.tar", kDataTar) + member("_gpgorigin", "odd"));
    expect_deb(kMagic + ar_header("debian-binary/", "4") + "2.0\n" +
               member("control.tar/", kControlTar) + member("data.tar/", kDataTar));
}

TEST(DebFile, V40_A25_SizesAreCheckedBeforeTheyAreUsed)
{
    const std::string rest = member("control.tar", kControlTar) + member("data.tar", kDataTar);
    for (const char* size :
         {"9999999999", "4294967296", "-1", "-60", "0x10", "1e9", "", "1 2", "+4", "18446744"}) {
        expect_refused(kMagic + kBinary + ar_header("control.tar", size) + kControlTar,
                       "impossible size");
        expect_refused(kMagic + ar_header("debian-binary", size) + "2.0\n" + rest,
                       "impossible size");
    }
    const std::string whole = deb_of(kControlTar);
    for (std::size_t size = 0; size < whole.size() - 1; size += 7) {
        DebFile deb;
        EXPECT_FALSE(read_deb(whole.substr(0, size), deb)) << size;
    }
}

TEST(DebFile, V40_A25_OnlyOneControlAndOneDataMemberInTheirOrder)
{
    const std::string control = member("control.tar", kControlTar);
    const std::string data = member("data.tar", kDataTar);
    expect_refused(kMagic + kBinary + control + control + data, "control.tar comes twice");
    expect_refused(kMagic + kBinary + control + member("control.tar.gz", "x") + data,
                   "control.tar comes twice");
    expect_refused(kMagic + kBinary + control + data + control, "control.tar comes twice");
    expect_refused(kMagic + kBinary + control + data + data, "data.tar comes twice");
    expect_refused(kMagic + kBinary + data + control, "before control.tar");
    expect_refused(kMagic + kBinary + control, "lacks");
    expect_refused(kMagic + kBinary + data, "before control.tar");
    expect_refused(kMagic + control + data, "not debian-binary");
    expect_refused(kMagic + member("debian-binary", "3.0\n") + control + data, "version 2");
    expect_refused(kMagic + kBinary + member("other", "x") + control + data, "does not belong");
    expect_refused(deb_of(file("control", kControl) + file("./control", "Package: evil\n") + kEnd),
                   "two control files");
}

TEST(DebFile, V40_A25_MemberNamesAreExact)
{
    const std::string data = member("data.tar", kDataTar);
    for (const char* name : {"", "/", "//", "#1/20", "/0", "control tar", "../control.tar",
                             "control.tar//", "c\x01ntrol.tar"})
        expect_refused(kMagic + kBinary + member(name, kControlTar) + data, "no member name");
    for (const char* name : {"control.tar.evil", "control.tarx", "Control.tar", "control.tar.g.z"})
        expect_refused(kMagic + kBinary + member(name, kControlTar) + data, "does not belong");
    std::string broken = deb_of(kControlTar);
    broken[kMagic.size() + 58] = 'x';
    expect_refused(broken, "header is broken");
    expect_refused("!<arch>\r" + broken.substr(8), "ar file");
    expect_refused("", "ar file");
    std::string unpadded = kMagic + kBinary + ar_header("_odd", "1") + "xx" +
                           member("control.tar", kControlTar) + data;
    expect_refused(unpadded, "padding");
    std::string many;
    for (int i = 0; i < 100; ++i)
        many += member("_x", "");
    expect_refused(kMagic + kBinary + many + member("control.tar", kControlTar) + data, "too many");
}

TEST(DebFile, V40_A25_ABombInControlIsStoppedAtItsLimit)
{
    // 65 MiB of zeros as 1032:1 deflate would take more test than it tells: an uncompressed
    // control.tar meets the same limit.
    const std::string large =
        header("./filler", kLargestControl) + std::string(kLargestControl, '\0');
    expect_refused(deb_of(large + kControlTar), "larger than the allowed");
}

TEST(DebFile, V40_TheControlParagraphIsStrict)
{
    const auto control = [](const std::string& text) {
        return deb_of(file("./control", text) + kEnd);
    };
    expect_refused(control("Package: foo\nVersion: 1\n"), "lacks a usable");
    expect_refused(control("Package: ../../x\nVersion: 1\nArchitecture: all\n"), "lacks a usable");
    expect_refused(control(kControl + "package: bar\n"), "appears twice");
    expect_refused(control(kControl + "\nPackage: bar\n"), "second paragraph");
    expect_refused(deb_of(file("./md5sums", "x") + kEnd), "no control file");
    expect_refused(deb_of(header("./control", 0, '2', "/etc/passwd") + kEnd), "not a file");
}

TEST(Tar, V40_A25_SizesAreOctalPositiveAndThere)
{
    const auto sized = [](const std::string& field) {
        return with_checksum(set(header("x", 0), 124, field)) + kEnd;
    };
    const std::string huge("\x80\0\0\0\0\0\0\0\0\0\0\0", 12);
    EXPECT_THAT(paths_of(sized(huge)), ElementsAre("x"));
    EXPECT_THAT(paths_of(sized("00000000000 ")), ElementsAre("x"));
    for (const std::string& field :
         {std::string("-0000000001\0", 12), std::string("00000000009\0", 12),
          std::string("           \0", 12),
          std::string("0000000\0"
                      "0001",
                      12),
          std::string(12, '\xff'), set(huge, 1, "\x7f"), set(huge, 4, "\x7f"), set(huge, 6, "\x21"),
          std::string(12, '\0')})
        expect_tar_refused(sized(field), "impossible size");
    expect_tar_refused(sized("77777777777 "), "larger than what is left");
    expect_tar_refused(sized("00000002001 "), "larger than what is left");
    expect_tar_refused(header("x", 1), "larger than what is left");
    expect_tar_refused(header("x", 5, '5') + padded("hello") + kEnd, "no file has content");
}

TEST(Tar, V40_A25_NoPathLeavesThePackage)
{
    for (const char* path : {"/etc/passwd", "../x", "a/../../x", "./..", "a/..", "//x"}) {
        expect_tar_refused(file(path, "x") + kEnd, "leaves the package");
        expect_tar_refused(file("long", std::string(path) + '\0', 'L') + file("x", "x") + kEnd,
                           "leaves the package");
        expect_tar_refused(header("x", 0, '1', path) + kEnd, "leaves the package");
        const std::string pax = std::string("path=") + path + "\n";
        const std::string record = std::to_string(pax.size() + 3) + " " + pax;
        if (record.size() >= 10 && record.size() < 100)
            expect_tar_refused(file("pax", record, 'x') + file("x", "x") + kEnd,
                               "leaves the package");
    }
    EXPECT_THAT(paths_of(file("./a/./b//c", "") + file("..a/b..", "") + file("a\\x2db", "") + kEnd),
                ElementsAre("a/b/c", "..a/b..", "a\\x2db"));
    // A symbolic link may point anywhere: that is its owner's business, and nothing follows it.
    EXPECT_THAT(paths_of(header("x", 0, '2', "/etc/passwd") + kEnd), ElementsAre("x"));
}

TEST(Tar, LongNamesComeByPrefixGnuOrPax)
{
    const std::string deep(90, 'd'), name(200, 'n');
    std::string ustar = set(header(name.substr(0, 100), 0), 345, deep);
    EXPECT_THAT(paths_of(with_checksum(ustar) + kEnd),
                ElementsAre(deep + "/" + name.substr(0, 100)));
    EXPECT_THAT(paths_of(file("././@LongLink", name + '\0', 'L') + file("short", "x") +
                         file("next", "") + kEnd),
                ElementsAre(name, "next"));
    EXPECT_THAT(paths_of(file("pax", "210 path=" + name + "\n", 'x') + file("short", "x") + kEnd),
                ElementsAre(name));
    std::vector<std::uint64_t> sizes;
    ASSERT_TRUE(scan_tar(file("pax", "10 size=3\n", 'x') + header("x", 0) + padded("abc") + kEnd,
                         [&](const TarMember& found) { sizes.push_back(found.size_bytes); }));
    EXPECT_THAT(sizes, ElementsAre(3));
}

TEST(Tar, V40_A25_WhatReadersDisagreeAboutIsRefused)
{
    const std::string x = file("x", "x");
    std::string wrong = header("x", 0);
    wrong[0] = 'y';
    expect_tar_refused(wrong + kEnd, "checksum");
    expect_tar_refused(x, "no end");
    expect_tar_refused("", "no end");
    expect_tar_refused(x + kEnd + x, "behind its end");
    expect_tar_refused(file("g", "9 path=x\n", 'g') + x + kEnd, "has content");
    expect_tar_refused(header("s", 0, 'S') + kEnd, "unknown type");
    expect_tar_refused(file("l", std::string("a\0b\0", 4), 'L') + x + kEnd, "not text");
    expect_tar_refused(file("l", std::string("a\0", 2), 'L') + kEnd, "belongs to no member");
    expect_tar_refused(file("l", "a", 'L') + file("p", "9 path=b\n", 'x') + x + kEnd, "twice");
    expect_tar_refused(file("p", "99 path=b\n", 'x') + x + kEnd, "wrong length");
    expect_tar_refused(file("p", "0 path=b\n", 'x') + x + kEnd, "wrong length");
    expect_tar_refused(file("p", "-9 path=b\n", 'x') + x + kEnd, "wrong length");
    expect_tar_refused(file("p", "8 path-b\n", 'x') + x + kEnd, "wrong length");
    expect_tar_refused(file("p", "12 size=-1\n", 'x') + x + kEnd, "wrong length");
    expect_tar_refused(file("p", "11 size=-1\n", 'x') + x + kEnd, "impossible size");
    expect_tar_refused(file("p", "23 size=99999999999999\n", 'x') + x + kEnd, "impossible size");
    expect_tar_refused(file("p", "22 GNU.sparse.major=1\n", 'x') + x + kEnd, "sparse");
    expect_tar_refused(with_checksum(set(header("x", 0), 257, "posix")) + kEnd, "neither ustar");
    expect_tar_refused(with_checksum(set(header("x", 0), 50, "hidden")) + kEnd, "not text");
    expect_tar_refused(header("l", 70'000, 'L') + std::string(70'144, 'a') + x + kEnd, "too long");
}

}  // namespace
}  // namespace aptward::deb
