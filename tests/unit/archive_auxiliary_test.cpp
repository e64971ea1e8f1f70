// SPDX-License-Identifier: GPL-3.0-or-later
#include <gmock/gmock.h>

#include "archive/auxiliary.h"
#include "code_of.h"

namespace aptward::archive {
namespace {

TEST(Auxiliary, PatternsStayInsideComponents)
{
    EXPECT_TRUE(fits_pattern("meta-release-lts", "meta-release*"));
    EXPECT_TRUE(fits_pattern("pool/main/f/foo/foo_1.changelog", "pool/*/*/*/*.changelog"));
    EXPECT_TRUE(fits_pattern("doc/a/b.txt", "doc/"));
    EXPECT_FALSE(fits_pattern("doc", "doc/"));
    EXPECT_FALSE(fits_pattern("doc/", "doc/"));
    EXPECT_FALSE(fits_pattern("docs/a", "doc/"));
    EXPECT_FALSE(fits_pattern("pool/main/f/foo/bar/foo_1.changelog", "pool/*/*/*/*.changelog"));
    EXPECT_FALSE(fits_pattern("x/meta-release", "meta-release*"));
    EXPECT_FALSE(fits_pattern("meta-release/x", "meta-release*"));
    EXPECT_TRUE(fits_pattern("aXbXXbc", "a*b*bc"));
    EXPECT_FALSE(fits_pattern("aXbXXbd", "a*b*bc"));
    EXPECT_TRUE(fits_pattern("ab", "a*b"));
}

TEST(Auxiliary, PackagesAndIndexesNeverPassUnproven)
{
    const auto& standard = standard_auxiliary();
    for (const char* path :
         {"pool/main/f/foo/foo_1_amd64.deb", "dists/x/main/binary-amd64/Packages",
          "dists/x/InRelease", "dists/x/main/dist-upgrader-all/current/x.tar.gz",
          "dists/x/main/installer-amd64/current/images/netboot/mini.iso"})
        EXPECT_FALSE(read_auxiliary(path, standard).may_pass_unproven) << path;
    EXPECT_FALSE(check_pattern("*").has_value());
    EXPECT_FALSE(check_pattern("pool/").has_value());
    EXPECT_FALSE(check_pattern("/doc").has_value());
    EXPECT_TRUE(check_pattern("doc/").has_value());
}

TEST(Auxiliary, KnowsWhatProvesAFile)
{
    const auto& standard = standard_auxiliary();
    const auto tarball =
        read_auxiliary("dists/x/main/dist-upgrader-all/current/x.tar.gz", standard);
    EXPECT_EQ(tarball.signed_file, "dists/x/main/dist-upgrader-all/current/x.tar.gz");
    EXPECT_FALSE(tarball.is_signature);
    const auto signature =
        read_auxiliary("dists/x/main/dist-upgrader-all/current/x.tar.gz.gpg", standard);
    EXPECT_EQ(signature.signed_file, tarball.signed_file);
    EXPECT_TRUE(signature.is_signature);
    EXPECT_TRUE(
        read_auxiliary("dists/x/main/dist-upgrader-all/current/ReleaseAnnouncement", standard)
            .may_pass_unproven);
    const auto image =
        read_auxiliary("dists/x/main/installer-amd64/current/images/netboot/linux", standard);
    EXPECT_THAT(image.sums, testing::ElementsAre(
                                "dists/x/main/installer-amd64/current/images/netboot/SHA256SUMS",
                                "dists/x/main/installer-amd64/current/images/SHA256SUMS",
                                "dists/x/main/installer-amd64/current/SHA256SUMS",
                                "dists/x/main/installer-amd64/SHA256SUMS"));
    EXPECT_EQ(read_auxiliary("dists/x/main/installer-amd64/current/images/SHA256SUMS.gpg", standard)
                  .signed_file,
              "dists/x/main/installer-amd64/current/images/SHA256SUMS");
    EXPECT_FALSE(read_auxiliary("dists/x/main/binary-amd64/Packages.xz", standard).is_auxiliary());
}

TEST(Auxiliary, ReadsSha256sumsStrictly)
{
    const std::string a(64, 'a'), b(64, 'b');
    const std::string sums = a + "  ./netboot/linux\n" + b + " *netboot/mini.iso\nrubbish\n";
    const auto linux_sum = find_sum(sums, "netboot/linux");
    ASSERT_TRUE(linux_sum.has_value());
    EXPECT_EQ(linux_sum->hex(), a);
    EXPECT_EQ(find_sum(sums, "netboot/mini.iso")->hex(), b);
    EXPECT_EQ(code_of(find_sum(sums, "linux")), Errc::not_found);
    EXPECT_EQ(code_of(find_sum(a + "  x\n" + b + "  ./x\n", "x")), Errc::malformed);
    EXPECT_TRUE(find_sum(a + "  x\n" + a + "  ./x\n", "x").has_value());
    EXPECT_EQ(code_of(find_sum(b.substr(1) + "  x\n", "x")), Errc::not_found);
}

}  // namespace
}  // namespace aptward::archive
