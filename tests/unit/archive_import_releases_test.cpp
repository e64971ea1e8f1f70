// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/import_releases.h"

#include <gtest/gtest.h>

namespace aptward::archive {
namespace {

struct Place {
    const char* folder;
    const char* prefix;
    std::optional<std::string> suite;
};

TEST(StockReleases, AreOfTheArchiveWhoseHostStandsInTheirPath)
{
    const Place places[] = {
        {"/srv/mirror/deb.example/debian/dists/stable", "deb.example/debian", "stable"},
        {"/srv/deb.example/debian/dists/stable/updates", "deb.example/debian", "stable/updates"},
        {"/srv/deb.example/debian/dists/stable", "http://deb.example:80/debian/", "stable"},
        {"/srv/deb.example/dists/stable", "deb.example", "stable"},
        {"/srv/fr.deb.example/debian/dists/stable", "*.deb.example/debian", "stable"},
        {"/srv/deb.example/flat/all", "deb.example", "flat/all/"},
        {"/srv/deb.example/flat", "deb.example/flat", "/"},
        {"/srv/deb.example/debian-security/dists/stable", "deb.example/debian", std::nullopt},
        {"/srv/xdeb.example/debian/dists/stable", "deb.example/debian", std::nullopt},
        {"/srv/debian/dists/stable", "deb.example/debian", std::nullopt},
        {"", "deb.example", std::nullopt},
    };
    for (const Place& place : places)
        EXPECT_EQ(suite_below(place.folder, read_prefix(place.prefix, 0)), place.suite)
            << place.folder;
}

TEST(StockReleases, AreOfTheSuiteBehindTheLastDists)
{
    EXPECT_EQ(suite_behind_dists("/srv/dists/x/dists/stable/updates"), "stable/updates");
    EXPECT_EQ(suite_behind_dists("/srv/debian/dists"), std::nullopt);
    EXPECT_EQ(suite_behind_dists("/srv/debian/dists/"), std::nullopt);
    EXPECT_EQ(suite_behind_dists("/srv/flat"), std::nullopt);
    EXPECT_EQ(suite_behind_dists(""), std::nullopt);
}

}  // namespace
}  // namespace aptward::archive
