// SPDX-License-Identifier: GPL-3.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "code_of.h"
#include "node/client_manifest.h"
#include "node/config.h"
#include "node/own_names.h"
#include "node/port_holder.h"
#include "temporary_folder.h"
#include "test_key.h"

namespace aptward::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Machine : public testing::Test {
protected:
    Machine()
    {
        write("/etc/apt/sources.list.d/.keep", "");
        write("/var/lib/dpkg/status", "");
        write("/keys/archive.asc", kTestKey);
    }

    void write(const std::string& path, std::string_view text)
    {
        const std::filesystem::path file = below(root_, path);
        std::filesystem::create_directories(file.parent_path());
        ASSERT_TRUE(write_file_durably(file, text));
    }
    std::string line_of(const std::string& uri) const
    {
        const std::string key = below(root_, "/keys/archive.asc").string();
        return "deb [signed-by=" + key + "] " + uri + " stable main\n";
    }
    void source(const std::string& uri) { write("/etc/apt/sources.list", line_of(uri)); }
    ConfigOutcome read(const std::vector<std::string>& listen = {"0.0.0.0:3142"})
    {
        return zero_config(root_.string(), listen);
    }
    static std::vector<std::string> upstreams(const ConfigOutcome& outcome)
    {
        std::vector<std::string> urls;
        if (outcome.config)
            for (const archive::ArchiveSettings& archive : outcome.config->archives)
                for (const fetch::SourceSettings& upstream : archive.upstreams)
                    urls.push_back(upstream.url);
        return urls;
    }

    const TemporaryFolder temporary_;
    const std::filesystem::path& root_ = temporary_.path();
};

TEST_F(Machine, IsServedFromItsSources)
{
    source("http://deb.debian.org/debian");
    EXPECT_THAT(upstreams(read()), ElementsAre("http://deb.debian.org/debian"));
}

TEST_F(Machine, RecognisesItselfInItsOwnSources)
{
    for (const char* own : {"http://127.0.0.1:3142/debian", "http://localhost:3142/debian",
                            "http://127.0.0.9:3142/debian"}) {
        source(own);
        const ConfigOutcome outcome = read();
        ASSERT_FALSE(outcome.config) << own;
        EXPECT_THAT(outcome.mistakes.front().message, HasSubstr("names this node itself")) << own;
    }
}

TEST_F(Machine, AsksTheVendorWhereSetupRewroteASource)
{
    source("http://deb.debian.org/debian");
    std::filesystem::create_directories(below(root_, kClientFolder));
    ClientManifest manifest;
    manifest.rewritten = {{"https://deb.debian.org/debian/", "http://deb.debian.org/debian/"}};
    ASSERT_TRUE(write_client_manifest(root_, manifest));
    const ConfigOutcome outcome = read();
    EXPECT_THAT(upstreams(outcome), ElementsAre("https://deb.debian.org/debian"));
    EXPECT_THAT(outcome.config->notes, IsEmpty());

    manifest.rewritten = {{"mirror+file:/etc/mirrors", "http://deb.debian.org/debian"}};
    ASSERT_TRUE(write_client_manifest(root_, manifest));
    write("/etc/mirrors", "https://a.example/debian/ priority:1\n# no\nhttp://b.example/debian\n");
    EXPECT_THAT(upstreams(read()),
                ElementsAre("https://a.example/debian", "http://b.example/debian"));
}

TEST_F(Machine, FollowsTheHttpsFormBackToTheVendor)
{
    source("http://127.0.0.1:3142/HTTPS///deb.debian.org/debian");
    EXPECT_THAT(upstreams(read()), ElementsAre("https://deb.debian.org/debian"));
    source("http://127.0.0.1:3144/HTTPS///deb.debian.org/debian");
    EXPECT_THAT(upstreams(read()),
                ElementsAre("http://127.0.0.1:3144/HTTPS///deb.debian.org/debian"));
}

// law 1: the lists of such a source may be open to everybody, and its packages cost a password.
TEST_F(Machine, Law1_ALightOneServesAndGivesOnlyWhatNeedsNoPassword)
{
    std::string sources;
    for (const char* uri :
         {"http://deb.debian.org/debian", "http://paid.example/x", "http://other.example:8080/x",
          "http://a:b@deb.debian.org/debian", "https://secure.example/x"})
        sources += line_of(uri);
    write("/etc/apt/sources.list", sources);
    ConfigOutcome outcome;
    outcome.config = Config();
    outcome.config->profile = Profile::light;
    outcome.config->shared_hosts = {"deb.debian.org", "other.example:8080", "secure.example"};
    add_machine_archives(*outcome.config, outcome.mistakes, root_.string());
    EXPECT_THAT(outcome.mistakes, IsEmpty());
    EXPECT_THAT(upstreams(outcome),
                ElementsAre("http://deb.debian.org/debian", "http://other.example:8080/x",
                            "https://secure.example/x"));
    ASSERT_FALSE(outcome.config->notes.empty());
    EXPECT_THAT(outcome.config->notes.front(), HasSubstr("shared-hosts does not name its host"));
    Config none;
    none.profile = Profile::light;
    add_machine_archives(none, outcome.mistakes, root_.string());
    EXPECT_FALSE(outcome.mistakes.empty()) << "without the key nothing is served";
}

TEST(ClientManifest, ReadsWhatItWroteAndNothingElse)
{
    const TemporaryFolder temporary;
    const std::filesystem::path& root = temporary.path();
    EXPECT_EQ(code_of(read_client_manifest(root)), Errc::not_found);
    std::filesystem::create_directories(below(root, kClientFolder));
    ClientManifest manifest;
    manifest.nodes = {"http://a.example:3142"};
    manifest.peer_hosts = {"archive.example"};
    manifest.files.push_back({"/etc/x", "original-0", "ab", 0640, 1, 2});
    manifest.rewritten.push_back({"https://x", "http://x"});
    ASSERT_TRUE(write_client_manifest(root, manifest));
    const auto read = read_client_manifest(root);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->nodes, manifest.nodes);
    EXPECT_EQ(read->peer_hosts, manifest.peer_hosts);
    ASSERT_NE(read->find("/etc/x"), nullptr);
    EXPECT_EQ(read->find("/etc/x")->mode, 0640U);
    EXPECT_EQ(read->rewritten.front().from, "https://x");
    const std::string file =
        R"({"version":1,"nodes":[],"tunnels_https":false,"rewritten":[],"files":[{"path":"/x",)"
        R"("original":"","written":"","user":0,"group":0,"mode":)";
    for (const std::string& broken :
         {std::string(), std::string("[]"), std::string("{}"), std::string("{\"version\":2}"),
          std::string("{\"version\":1,\"nodes\":3}"), file + "-1}]}", file + "1e300}]}",
          file + "4294967296}]}"}) {
        ASSERT_TRUE(write_file_durably(below(root, kClientFolder) / "manifest.json", broken));
        EXPECT_EQ(code_of(read_client_manifest(root)), Errc::malformed) << broken;
    }
    EXPECT_TRUE(parse_client_manifest(file + "420}]}"));
    manifest.rewritten.front().from = "https://x/\xff";  // no JSON can say this
    EXPECT_EQ(code_of(write_client_manifest(root, manifest)), Errc::malformed);
}

TEST(OwnNames, AuthoritiesHaveAPort)
{
    EXPECT_EQ(authority_of("http://A.example/x"), "a.example:80");
    EXPECT_EQ(authority_of("https://a.example"), "a.example:443");
    EXPECT_EQ(authority_of("http://u:p@[::1]:3142/x"), "[::1]:3142");
    EXPECT_EQ(authority_of("http://[::1]/x"), "[::1]:80");
}

TEST(OwnNames, AnotherPortOrMachineIsNotThisNode)
{
    const std::vector<std::string> listen = {"0.0.0.0:3142", "unix:/x:3143"};
    EXPECT_TRUE(is_own_authority("[::1]:3142", listen));
    EXPECT_TRUE(is_own_authority("0.0.0.0:3142", listen));
    EXPECT_FALSE(is_own_authority("127.0.0.1:3143", listen));
    EXPECT_FALSE(is_own_authority("192.0.2.1:3142", listen));
}

TEST(PortHolder, FindsListeningSocketsOnly)
{
    const std::string table =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout "
        "inode\n"
        "   0: 0100007F:0C46 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 111 1\n"
        "   1: 0100007F:0C46 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 222 1\n"
        "   2: 0100007F:0C47 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 333 1\n";
    EXPECT_THAT(listening_inodes(table, 3142), ElementsAre("111"));
    EXPECT_THAT(listening_inodes("", 3142), IsEmpty());
}

}  // namespace
}  // namespace aptward::node
