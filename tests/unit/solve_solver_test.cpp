// SPDX-License-Identifier: GPL-3.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "solve/apt_solver.h"
#include "temporary_folder.h"

namespace aptward::solve {
namespace {

constexpr const char* kUri = "http://archive.example/debian";
constexpr const char* kList = "archive.example_debian_dists_stable_main_binary-amd64_Packages";
constexpr const char* kOther = "archive.example_debian_dists_backports_main_binary-amd64_Packages";

struct Stanza {
    std::string name, version, fields;
};

std::string packages(const std::vector<Stanza>& stanzas)
{
    std::string text;
    for (const Stanza& one : stanzas)
        text += fmt::format(
            "Package: {0}\nVersion: {1}\nArchitecture: amd64\nMaintainer: a <a@example>\n"
            "Filename: pool/{0}_{1}_amd64.deb\nSize: 1\n"
            "SHA256: {2:064x}\nDescription: {0}\n{3}\n",
            one.name, one.version, 7, one.fields);
    return text;
}

std::string installed(const std::vector<Stanza>& stanzas)
{
    std::string text;
    for (const Stanza& one : stanzas)
        text += fmt::format(
            "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: amd64\n"
            "Maintainer: a <a@example>\nDescription: x\n{}\n",
            one.name, one.version, one.fields);
    return text;
}

/// A folder as solve() makes it. One process asks apt's library once a test: its configuration is
/// global, and each test clears it.
class SolverTest : public ::testing::Test {
protected:
    void SetUp() override
    {
        std::filesystem::create_directories(folder_ / kListsFolder / "partial");
        std::filesystem::create_directories(folder_ / kPreferencesFolder);
        write(kStatusFile, "");
        write(kExtendedStatesFile, "");
        setting_.architectures = {"amd64"};
        setting_.settings["APT::Machine-ID"] = "912e43bd1c1d4ba481f9f8ccab25f9ee";
    }

    void write(const std::filesystem::path& name, const std::string& text) const
    {
        std::ofstream(folder_ / name) << text;
    }

    void list(const std::vector<Stanza>& stanzas)
    {
        sources_ += fmt::format("deb [trusted=yes] {} stable main\n", kUri);
        write(kSourcesFile, sources_);
        write(std::filesystem::path(kListsFolder) / kList, packages(stanzas));
        write(std::filesystem::path(kListsFolder) / "archive.example_debian_dists_stable_Release",
              "Origin: Test\nSuite: stable\nCodename: stable\nDate: Sat, 01 Nov 2025 00:00:00 UTC\n"
              "Architectures: amd64\nComponents: main\n");
        setting_.lists[kList] = 0;
    }

    void list_backports(const std::vector<Stanza>& stanzas)
    {
        sources_ += fmt::format("deb [trusted=yes] {} backports main\n", kUri);
        write(kSourcesFile, sources_);
        write(std::filesystem::path(kListsFolder) / kOther, packages(stanzas));
        write(
            std::filesystem::path(kListsFolder) / "archive.example_debian_dists_backports_Release",
            "Origin: Test\nSuite: backports\nCodename: backports\n"
            "Date: Sat, 01 Nov 2025 00:00:00 UTC\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n"
            "Architectures: amd64\nComponents: main\n");
        setting_.lists[kOther] = 1;
    }

    Answer ask(Question question)
    {
        setting_.questions = {std::move(question)};
        auto solution = ask_apt(folder_, setting_);
        EXPECT_TRUE(solution) << solution.error().message();
        solution_ = solution ? *solution : Solution();
        return solution_.answers.empty() ? Answer() : solution_.answers.front();
    }
    Answer install(std::vector<std::string> names)
    {
        return ask({Question::Kind::install, std::move(names)});
    }
    std::vector<std::string> names(const Answer& answer) const
    {
        std::vector<std::string> found;
        for (const std::size_t number : answer.needs)
            found.push_back(solution_.packages[number].name + "=" +
                            solution_.packages[number].version);
        std::sort(found.begin(), found.end());
        return found;
    }

    const TemporaryFolder temporary_;
    const std::filesystem::path& folder_ = temporary_.path();
    std::string sources_;
    Setting setting_;
    Solution solution_;
};

using Names = std::vector<std::string>;

TEST_F(SolverTest, InstallsWhatIsAskedForWithWhatItNeeds)
{
    list({{"web", "1", "Depends: library (>= 2), one | two\n"},
          {"library", "2", ""},
          {"one", "1", ""},
          {"two", "1", ""}});
    const Answer answer = install({"web"});
    EXPECT_EQ(answer.why_not, "");
    EXPECT_EQ(names(answer), (Names{"library=2", "one=1", "web=1"}));
    ASSERT_EQ(solution_.packages.size(), 3U);
    EXPECT_EQ(solution_.packages[0].places.at(0).suite, 0U);
    EXPECT_EQ(solution_.packages[0].places.at(0).path.rfind("pool/", 0), 0U);
}

TEST_F(SolverTest, KnowsWhatIsInstalledAlready)
{
    list({{"web", "1", "Depends: library (>= 2), one | two\n"},
          {"library", "2", ""},
          {"one", "1", ""},
          {"two", "1", ""}});
    write(kStatusFile, installed({{"library", "2", ""}, {"two", "1", ""}}));
    EXPECT_EQ(names(install({"web"})), (Names{"web=1"}));
}

TEST_F(SolverTest, FollowsRecommendsAsTheMachineDoes)
{
    list({{"web", "1", "Recommends: extra\n"}, {"extra", "1", ""}});
    EXPECT_EQ(names(install({"web"})), (Names{"extra=1", "web=1"}));
    setting_.settings["APT::Install-Recommends"] = "false";
    EXPECT_EQ(names(install({"web"})), (Names{"web=1"}));
}

TEST_F(SolverTest, FollowsPinsAndNotAutomaticReleases)
{
    list({{"web", "1", ""}});
    list_backports({{"web", "2", ""}});
    EXPECT_EQ(names(install({"web"})), (Names{"web=1"}));
    EXPECT_EQ(names(install({"web/backports"})), (Names{"web=2"}));
    EXPECT_EQ(names(install({"web=2"})), (Names{"web=2"}));
    write(std::filesystem::path(kPreferencesFolder) / "0000.pref",
          "Package: web\nPin: release a=backports\nPin-Priority: 900\n");
    EXPECT_EQ(names(install({"web"})), (Names{"web=2"}));
    EXPECT_EQ(solution_.packages[0].places.at(0).suite, 1U);
}

TEST_F(SolverTest, SaysWhyNot)
{
    list({{"web", "1", "Depends: nowhere\n"}, {"one", "1", "Conflicts: two\n"}, {"two", "1", ""}});
    EXPECT_NE(install({"web"}).why_not, "");
    EXPECT_NE(install({"web"}).why_not.find("web"), std::string::npos);
    EXPECT_NE(install({"one", "two"}).why_not, "");
    EXPECT_NE(install({"nothing"}).why_not.find("nothing"), std::string::npos);
    EXPECT_EQ(install({"one"}).why_not, "");
}

TEST_F(SolverTest, ANameThatOneProvidesMeansThatOne)
{
    list({{"exim", "1", "Provides: mail\n"},
          {"vi", "1", "Provides: editor\n"},
          {"nano", "1", "Provides: editor\n"}});
    EXPECT_EQ(names(install({"mail"})), (Names{"exim=1"}));
    EXPECT_NE(install({"editor"}).why_not, "");
}

TEST_F(SolverTest, UpgradesWhatIsInstalled)
{
    list({{"web", "2", "Depends: fresh\n"}, {"fresh", "1", ""}, {"other", "2", ""}});
    write(kStatusFile, installed({{"web", "1", ""}}));
    EXPECT_EQ(names(ask({Question::Kind::upgrade, {}})), (Names{"fresh=1", "web=2"}));
}

TEST_F(SolverTest, NamesWhatIsPhasedOutForThisMachine)
{
    list({{"web", "2", "Phased-Update-Percentage: 0\n"}, {"other", "2", ""}});
    write(kStatusFile, installed({{"web", "1", ""}, {"other", "1", ""}}));
    const Answer answer = ask({Question::Kind::upgrade, {}});
    EXPECT_EQ(names(answer), (Names{"other=2"}));
    ASSERT_EQ(answer.phased_out.size(), 1U);
    EXPECT_EQ(answer.phased_out[0].name, "web");
    EXPECT_EQ(answer.phased_out[0].percentage, 0U);
}

TEST_F(SolverTest, FindsWhatIsInstalledAmongWhatIsListed)
{
    list({{"web", "2", ""}, {"same", "1", ""}});
    write(kStatusFile, installed({{"web", "1", ""}, {"same", "1", ""}}));
    const Answer answer = ask({Question::Kind::installed, {}});
    EXPECT_EQ(names(answer), (Names{"same=1"}));
    EXPECT_EQ(answer.unlisted, (Names{"web=1"}));
}

TEST_F(SolverTest, SaysInOneSentenceThatAStatusIsNone)
{
    list({{"web", "1", ""}});
    write(kStatusFile, "Package: web\nnonsense without a colon\n\n");
    setting_.questions = {{Question::Kind::upgrade, {}}};
    const auto solution = ask_apt(folder_, setting_);
    ASSERT_FALSE(solution);
    EXPECT_NE(solution.error().message().find("apt cannot read it"), std::string::npos);
}

TEST(SolverExchange, IsReadAsItWasWritten)
{
    Setting setting;
    setting.architectures = {"amd64", "i386"};
    setting.settings = {{"APT::Install-Recommends", "0"}};
    setting.lists = {{"a_b", 3}};
    setting.questions = {{Question::Kind::install, {"vim"}}};
    const auto again = parse_setting(to_json(setting));
    ASSERT_TRUE(again);
    EXPECT_EQ(to_json(*again), to_json(setting));
    Solution solution;
    solution.packages = {{"vim", "1", "amd64", {{2, "pool/vim"}}}};
    solution.answers = {{"no", {0}, {"nano"}, {"x=1"}, {{"web", "2", 30}}}};
    const auto same = parse_solution(to_json(solution));
    ASSERT_TRUE(same);
    EXPECT_EQ(to_json(*same), to_json(solution));
    EXPECT_FALSE(parse_solution("[]"));
    EXPECT_FALSE(parse_solution("{\"packages\":[{}],\"answers\":[]}"));
}

}  // namespace
}  // namespace aptward::solve
