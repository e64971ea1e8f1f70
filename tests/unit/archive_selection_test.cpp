// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/selection.h"

#include <gtest/gtest.h>

#include "archive/export_manifest.h"
#include "archive/mirror_job.h"
#include "code_of.h"

namespace aptward::archive {
namespace {

using Texts = std::vector<std::string>;

deb::Release release_of(const Texts& paths, Texts architectures = {"all", "amd64", "arm64"})
{
    deb::Release release;
    release.components = {"main", "contrib"};
    release.architectures = std::move(architectures);
    for (const std::string& path : paths)
        release.files[path] = {path, {*parse_digest(std::string(64, 'a'), 1)}};
    return release;
}

const Texts kPaths = {"main/binary-amd64/Packages",
                      "main/binary-amd64/Packages.xz",
                      "main/binary-arm64/Packages.xz",
                      "main/binary-all/Packages.xz",
                      "main/debian-installer/binary-amd64/Packages.xz",
                      "contrib/binary-amd64/Packages.xz",
                      "main/source/Sources.xz",
                      "main/i18n/Translation-en.xz",
                      "main/Contents-amd64.gz",
                      "main/dep11/Components-amd64.yml.gz",
                      "main/dep11/Components-arm64.yml.gz",
                      "main/dep11/icons-48x48.tar.gz",
                      "main/binary-amd64/Packages.diff/Index"};

Texts bases(const Selection& selection, const std::vector<KnownSuite>& known = {},
            const deb::Release& release = release_of(kPaths), const std::string& suite = "stable")
{
    Texts chosen;
    const auto indexes = choose_indexes(release, suite, selection, known);
    EXPECT_TRUE(indexes) << indexes.error().message();
    for (const ChosenIndex& index : *indexes)
        chosen.push_back(index.base);
    return chosen;
}

TEST(ChooseIndexes, TakesAllThatIsListedButPatchesInstallersSourcesAndContents)
{
    EXPECT_EQ(bases({}),
              (Texts{"contrib/binary-amd64/Packages", "main/binary-all/Packages",
                     "main/binary-amd64/Packages", "main/binary-arm64/Packages",
                     "main/dep11/Components-amd64.yml", "main/dep11/Components-arm64.yml",
                     "main/dep11/icons-48x48.tar", "main/i18n/Translation-en"}));
}

TEST(ChooseIndexes, TakesWhatIsNamed)
{
    Selection selection;
    selection.components = {"main"};
    selection.architectures = {"amd64"};
    selection.has_sources = selection.has_contents = true;
    EXPECT_EQ(
        bases(selection),
        (Texts{"main/Contents-amd64", "main/binary-all/Packages", "main/binary-amd64/Packages",
               "main/dep11/Components-amd64.yml", "main/dep11/icons-48x48.tar",
               "main/i18n/Translation-en", "main/source/Sources"}));
    Selection udebs;
    udebs.components = {"main/debian-installer"};
    EXPECT_EQ(bases(udebs), Texts{"main/debian-installer/binary-amd64/Packages"});
}

TEST(ChooseIndexes, TakesWhatIsConfiguredWhereNothingIsNamed)
{
    const std::vector<KnownSuite> known = {{"stable", {"contrib"}, {"amd64"}, false},
                                           {"other", {"main"}, {"arm64"}, false}};
    EXPECT_EQ(bases({}, known), Texts{"contrib/binary-amd64/Packages"});
}

// No-Support-for-Architecture-all: apt does not read binary-all then.
TEST(ChooseIndexes, TakesAllOnlyWhereAptReadsIt)
{
    deb::Release release = release_of({"main/binary-amd64/Packages", "main/binary-all/Packages"});
    release.packages_without_all = true;
    EXPECT_EQ(bases({}, {}, release), Texts{"main/binary-amd64/Packages"});
}

TEST(ChooseIndexes, KnowsComponentsWithAndWithoutTheirPrefix)
{
    Selection selection;
    selection.components = {"main"};
    EXPECT_EQ(bases(selection, {}, release_of({"updates/main/binary-amd64/Packages"})),
              Texts{"updates/main/binary-amd64/Packages"});
}

TEST(ChooseIndexes, RefusesWhatTheReleaseDoesNotHave)
{
    Selection selection;
    selection.architectures = {"riscv"};
    EXPECT_EQ(code_of(choose_indexes(release_of(kPaths), "stable", selection, {})),
              Errc::not_found);
    EXPECT_EQ(code_of(choose_indexes(release_of({"Packages"}), "flat/", selection, {})),
              Errc::not_found);
    EXPECT_EQ(bases({}, {}, release_of({"Packages", "Packages.gz", "Sources"}), "flat/"),
              Texts{"Packages"});
}

std::string record(const std::string& name, const std::string& more = "")
{
    return "Package: " + name + "\nFilename: pool/" + name +
           ".deb\nSize: 1\nSHA256: " + std::string(64, 'a') + "\n" + more + "\n";
}

Result<Texts> choose(const Selection& selection, const Texts& indexes)
{
    FileChooser chooser(selection);
    for (std::size_t i = 0; i < indexes.size(); ++i)
        TRY_VOID(chooser.add(i, deb::IndexKind::packages, indexes[i]));
    TRY(const auto files, std::move(chooser).choose());
    Texts names;
    for (const ChosenFile& file : files)
        names.push_back(std::to_string(file.suite) + file.path.substr(4));
    return names;
}

TEST(FileChooser, FollowsWhatPackagesNeedAcrossSuites)
{
    Selection selection;
    selection.packages = {"app"};
    const Texts indexes = {
        record("app", "Depends: lib (>= 9) | nothing, virtual\nRecommends: docs\n") +
            record("docs") + record("alone"),
        record("lib", "Pre-Depends: app\n") + record("a", "Provides: virtual (= 1)\n") +
            record("b", "Provides: x, virtual\n")};
    EXPECT_EQ(choose(selection, indexes),
              (Texts{"0/app.deb", "0/docs.deb", "1/a.deb", "1/b.deb", "1/lib.deb"}));
    selection.has_recommends = false;
    EXPECT_EQ(choose(selection, indexes), (Texts{"0/app.deb", "1/a.deb", "1/b.deb", "1/lib.deb"}));
    selection.packages = {"virtual"};
    EXPECT_EQ(code_of(choose(selection, indexes)), Errc::not_found);
}

TEST(FileChooser, TakesSectionsWithAndWithoutTheirComponent)
{
    Selection selection;
    selection.sections = {"net"};
    EXPECT_EQ(choose(selection, {record("a", "Section: contrib/net\n") +
                                 record("b", "Section: net\nDepends: c\n") + record("c")}),
              (Texts{"0/a.deb", "0/b.deb"}));
    selection.sections = {"nets"};
    EXPECT_EQ(code_of(choose(selection, {record("a")})), Errc::not_found);
}

TEST(FileChooser, TakesAllWhereNothingIsNamedAndEachPathOnce)
{
    EXPECT_EQ(choose({}, {record("a") + record("b") + record("a"), record("a")}),
              (Texts{"0/a.deb", "0/b.deb", "1/a.deb"}));
    EXPECT_EQ(code_of(choose({}, {"Filename: ../a.deb\nSize: 1\nSHA256: 0\n"})), Errc::malformed);
}

TEST(MirrorRequest, ReadsTheSameWhenItIsWrittenAgain)
{
    const auto request = parse_mirror_request(
        R"({"kind": "mirror", "archive": "debian", "suites": ["sid"], "packages": ["a", "b"],
            "recommends": false, "sources": true, "rate": 7, "sections": null})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->selection.packages, (Texts{"a", "b"}));
    EXPECT_FALSE(request->selection.has_recommends);
    EXPECT_EQ(request->rate_bytes_per_s, 7U);
    EXPECT_EQ(to_json(*parse_mirror_request(to_json(*request))), to_json(*request));
}

TEST(ExportManifest, ReadsTheSameAndNamesNothingOutside)
{
    ExportManifest manifest;
    manifest.archive = "debian";
    manifest.suites["sid"] = {"id", {"pool/a"}, {"pool/b"}, {"main/by-hash/SHA256/00"}, false};
    const auto again = parse_manifest(to_json(manifest));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(to_json(*again), to_json(manifest));
    EXPECT_EQ(again->files(), (std::set<std::string>{"pool/a", "pool/b"}));
    for (const char* bad : {"../a", "/etc/passwd", "a/../../b", ""}) {
        manifest.suites["sid"].pool = {bad};
        EXPECT_EQ(code_of(parse_manifest(to_json(manifest))), Errc::malformed) << bad;
    }
}

}  // namespace
}  // namespace aptward::archive
