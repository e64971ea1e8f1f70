// SPDX-License-Identifier: GPL-3.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "node/config.h"
#include "temporary_folder.h"

namespace aptward::node {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;

class ConfigFile {
public:
    explicit ConfigFile(const std::string& text)
        : path_(std::filesystem::temp_directory_path() /
                ("aptward-config-" + std::to_string(::getpid()) + ".toml"))
    {
        std::ofstream(path_) << text;
    }
    ~ConfigFile() { std::filesystem::remove(path_); }
    ConfigFile(const ConfigFile&) = delete;
    ConfigFile& operator=(const ConfigFile&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

// An archive that needs no keyring on this machine.
constexpr const char* kArchive =
    "[[archive]]\nid = \"a\"\nverify = \"unverified\"\n"
    "upstreams = [\"http://archive.example/debian\"]\n";

struct Wrong {
    const char* line;
    const char* key;
    const char* accepted;
    bool is_of_archive = false;
};

TEST(Config, NamesOneWrongValuePerKeyWithItsLineAndWhatIsAccepted)
{
    const std::vector<Wrong> table = {
        {"state = \"relative\"", "state", "absolute path"},
        {"listen = [\"127.0.0.1:65536\"]", "listen", "write \"127.0.0.1:3142\""},
        {"listen = [\"foo:1\"]", "listen", "write \"127.0.0.1:3142\""},
        {"listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"]", "listen", "each address once"},
        {"admin = \"tcp:1\"", "admin", "\"unix:/path\""},
        {"admin = \"127.0.0.1:70000\"", "admin", "\"unix:/path\""},
        {"admin = \"127.0.0.1:3142\"", "admin", "an address of its own"},
        {"admin-users = [\"nosuchuser\"]", "admin-users", "getent passwd"},
        {"clients = [\"10.0.0.0/64\"]", "clients", "10.0.0.0/8"},
        {"connect = \"yes\"", "connect", "true, false"},
        {"connect-hosts = [\"x\"]", "connect-hosts", "private.example:8443"},
        {"connect-hosts = [\"x:0\"]", "connect-hosts", "private.example:8443"},
        {"unknown-hosts = \"maybe\"", "unknown-hosts", "refuse, pass, observe-setup"},
        {"proxy = \"socks://x\"", "proxy", "socks5h"},
        {"proxy = \"ftp://q\"", "proxy", "http://proxy.example:3128"},
        {"proxy = \"http://q:99999\"", "proxy", "http://proxy.example:3128"},
        {"loops = -1", "loops", "from 0 to 1024"},
        {"deliveries-kept = \"soon\"", "deliveries-kept", "2d"},
        {"scrub-every = \"soon\"", "scrub-every", "2d"},
        {"scrub-rate = \"fast\"", "scrub-rate", "20M"},
        {"log-level = \"loud\"", "log-level", "debug, info, warning, error"},
        {"log-format = \"xml\"", "log-format", "text, json"},
        {"unknown-key = 1", "unknown-key", "[[archive]], [[blob-service]], [[listener]]"},
        {"id = \"A B\"", "archive.id", "lower-case letters", true},
        {"upstreams = [\"http://h:99999/x\"]", "archive.upstreams", "port from 1 to 65535", true},
        {"upstreams = [\"http://h/x?y=1\"]", "archive.upstreams", "without blanks", true},
        {"upstreams = [\"http://h/x#y\"]", "archive.upstreams", "without blanks", true},
        {"upstreams = [\"http://u:p@h/x\"]", "archive.upstreams", "password-file", true},
        {"upstreams = [\"http://h/../x\"]", "archive.upstreams", "without blanks", true},
        {"upstreams = []", "archive.upstreams", "http://archive.ubuntu.com/ubuntu", true},
        {"hosts = [\"http://foo bar/\"]", "archive.hosts", "archive.example/debian", true},
        {"hosts = [\"\"]", "archive.hosts", "archive.example/debian", true},
        {"hosts = [\"ftp://x/y\"]", "archive.hosts", "archive.example/debian", true},
        {"hosts = [\"*\"]", "archive.hosts", "archive.example/debian", true},
        {"hosts = [\"*:80\"]", "archive.hosts", "archive.example/debian", true},
        {"suites = [\"../..\"]", "archive.suites", "bookworm", true},
        {"suites = [\"\"]", "archive.suites", "bookworm", true},
        {"suites = [\"flat//\"]", "archive.suites", "FOLDER/", true},
        {"suite-aliases = [\"a b\"]", "archive.suite-aliases", "bookworm", true},
        {"auxiliary = [\"../x\"]", "archive.auxiliary", "doc/", true},
        {"auxiliary = [\"doc/../../x\"]", "archive.auxiliary", "doc/", true},
        {"components = [\"a b\"]", "archive.components", "main", true},
        {"architectures = [\"\"]", "archive.architectures", "amd64", true},
        {"user = \"someone\"", "archive.user", "password-file", true},
        {"password-file = \"/dev/null\"", "archive.password-file", "name the user", true},
        {"proxy = \"x\"", "archive.proxy", "http://proxy.example:3128", true},
        {"freshness = \"often\"", "archive.freshness", "5m", true},
        {"threshold = 0", "archive.threshold", "from 1 to 100", true},
        {"private = 1", "archive.private", "true, false", true},
        {"ca = \"/none.pem\"", "archive.ca", "/none.pem", true},
        {"verify = \"perhaps\"", "archive.verify", "enforce, observe, unverified", true},
    };
    for (const Wrong& wrong : table) {
        SCOPED_TRACE(wrong.line);
        // Its own place in an archive that has what the others need.
        std::string archive = kArchive;
        const std::string key(wrong.line, std::string(wrong.line).find(' '));
        if (wrong.is_of_archive)
            for (const char* taken : {"id", "verify", "upstreams"})
                if (key == taken) {
                    const std::size_t at = archive.find(std::string(taken) + " =");
                    archive.erase(at, archive.find('\n', at) + 1 - at);
                }
        const std::string text = wrong.is_of_archive ? archive + wrong.line + "\n"
                                                     : std::string(wrong.line) + "\n" + archive;
        const ConfigFile file(text);
        const auto outcome = read_config(file.path());
        const auto line =
            1 + std::count(text.begin(),
                           text.begin() + static_cast<std::ptrdiff_t>(text.find(wrong.line)), '\n');
        EXPECT_FALSE(outcome.config);
        EXPECT_THAT(outcome.mistakes,
                    Contains(AllOf(
                        Field(&Mistake::where, file.path().string() + ":" + std::to_string(line)),
                        Field(&Mistake::message, AllOf(HasSubstr(std::string(wrong.key) + ": "),
                                                       HasSubstr(wrong.accepted))))));
    }
}

TEST(Config, RefusesTwoArchivesThatClaimOnePlace)
{
    for (const char* second :
         {"upstreams = [\"http://archive.example/debian/\"]\n",
          "upstreams = [\"http://other.example/x\"]\nhosts = [\"archive.example:80/debian\"]\n"}) {
        const ConfigFile file(std::string(kArchive) +
                              "[[archive]]\nid = \"b\"\nverify = \"unverified\"\n" + second);
        const auto outcome = read_config(file.path());
        ASSERT_EQ(outcome.mistakes.size(), 1U) << second;
        EXPECT_THAT(outcome.mistakes[0].message,
                    HasSubstr("\"archive.example/debian\" is claimed by archive a already"));
    }
}

TEST(Config, TakesWhatIsUsual)
{
    const ConfigFile file(
        "listen = [\"0.0.0.0:3142\", \"[::]:3142\"]\nadmin = \"127.0.0.1:3160\"\n"
        "admin-users = [\"root\"]\nconnect-hosts = [\"[2001:db8::1]:8443\"]\n"
        "proxy = \"http://user:word@proxy.example:3128/\"\n" +
        std::string(kArchive) +
        "hosts = [\"archive.example:8080\", \"http://ftp.example/debian/\"]\n"
        "suites = [\"bookworm\", \"bookworm/updates\", \"/\", \"flat/\"]\n"
        "components = [\"main\", \"updates/main\"]\narchitectures = [\"amd64\"]\n"
        "[[archive]]\nid = \"b\"\nverify = \"unverified\"\n"
        "upstreams = [\"https://[2001:db8::2]:8443/x/~y/a+b%20c/\"]\n");
    const auto outcome = read_config(file.path());
    for (const Mistake& mistake : outcome.mistakes)
        ADD_FAILURE() << mistake.where << ": " << mistake.message;
    EXPECT_TRUE(outcome.config);
}

TEST(Config, ReadsABlobServiceWithKeysThatNobodyElseMayRead)
{
    const TemporaryFolder folder;
    const auto keys = folder.path() / "keys";
    std::ofstream(keys) << "ACCESS\nhidden/word\n";
    const std::string table = std::string(kArchive) +
                              "[[blob-service]]\nurl = \"https://s3.example:9000/\"\nbucket = "
                              "\"aptward\"\nprefix = \"site-1\"\nupload-rate = "
                              "\"2M\"\ndelete-after = \"30d\"\ndelete-dry-run = true\n"
                              "credentials-file = \"" +
                              keys.string() + "\"\n";
    std::filesystem::permissions(keys, std::filesystem::perms(0640));
    {
        const ConfigFile file(table);
        const auto outcome = read_config(file.path());
        ASSERT_EQ(outcome.mistakes.size(), 1U);
        EXPECT_THAT(outcome.mistakes[0].message,
                    AllOf(HasSubstr("chmod 600"), testing::Not(HasSubstr("hidden"))));
    }
    std::filesystem::permissions(keys, std::filesystem::perms(0600));
    const ConfigFile file(table);
    const auto outcome = read_config(file.path());
    ASSERT_TRUE(outcome.config && outcome.config->blob_service);
    const s3::Settings& service = *outcome.config->blob_service;
    EXPECT_EQ(service.url, "https://s3.example:9000");
    EXPECT_EQ(service.prefix, "site-1/");
    EXPECT_EQ(service.region, "us-east-1");
    EXPECT_EQ(service.credentials.secret_key, "hidden/word");
    EXPECT_EQ(service.upload_rate_bytes_per_s, 2'000'000U);
    EXPECT_TRUE(service.is_uploaded_to);
    EXPECT_EQ(service.delete_after, std::chrono::hours(30 * 24));
    EXPECT_TRUE(service.is_dry_run);
}

TEST(Config, ReadsInWhichDhtOthersAreFound)
{
    {
        const ConfigFile file(std::string(kArchive) + "[[swarm]]\n");
        const auto outcome = read_config(file.path());
        ASSERT_TRUE(outcome.config && outcome.config->swarm);
        EXPECT_EQ(outcome.config->swarm->start.net, swarm::Net::internet);
        EXPECT_EQ(outcome.config->swarm->start.port, 6881);
        EXPECT_FALSE(outcome.config->swarm->start.bootstrap.empty());
        EXPECT_EQ(outcome.config->peers.dht.net, swarm::Net::internet);
    }
    const ConfigFile file(std::string(kArchive) +
                          "[[swarm]]\nnet = \"closed\"\naddresses = [\"10.0.0.1:3142\"]\n");
    const auto outcome = read_config(file.path());
    ASSERT_TRUE(outcome.config);
    EXPECT_TRUE(outcome.config->swarm->start.bootstrap.empty());
    EXPECT_FALSE(outcome.config->peers.dht.has_bootstrap);
    EXPECT_EQ(outcome.config->peers.dht.places, (std::vector<swarm::Place>{{"10.0.0.1", 3142}}));
    const ConfigFile none(kArchive);
    EXPECT_FALSE(read_config(none.path()).config->peers.dht.net) << "off unless it is switched on";
}

TEST(Config, SaysWhatIsWrongWithASwarm)
{
    const std::pair<const char*, const char*> table[] = {
        {"net = \"lan\"", "internet, closed"},
        {"port = 0", "from 1 to 65535"},
        {"bootstrap = [\"router.example\"]", "HOST:PORT"},
        {"bootstrap = [\"a b:1\"]", "HOST:PORT"},
        {"addresses = [\"node.example:3142\"]", "203.0.113.7:3142"},
        {"addresses = [\"192.0.2.1:1\", \"192.0.2.1:2\", \"192.0.2.1:3\", \"192.0.2.1:4\"]",
         "more than the 3"},
    };
    for (const auto& [line, message] : table) {
        const ConfigFile file(std::string(kArchive) + "[[swarm]]\n" + line + "\n");
        const auto outcome = read_config(file.path());
        ASSERT_EQ(outcome.mistakes.size(), 1U) << line;
        EXPECT_THAT(outcome.mistakes[0].message, HasSubstr(message));
    }
}

TEST(Config, APeerMayBeNamedByItsIdentityAloneWhereThereIsADht)
{
    const std::string peer =
        "[[peer]]\nidentity = "
        "\"node.example+106fc324+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\"\n";
    {
        const ConfigFile file(kArchive + peer);
        const auto outcome = read_config(file.path());
        ASSERT_EQ(outcome.mistakes.size(), 1U);
        EXPECT_THAT(outcome.mistakes[0].message, HasSubstr("[[swarm]]"));
    }
    {
        const ConfigFile file(kArchive + peer + peer + "[[swarm]]\n");
        const auto outcome = read_config(file.path());
        ASSERT_EQ(outcome.mistakes.size(), 1U);
        EXPECT_THAT(outcome.mistakes[0].message, HasSubstr("named twice"));
    }
    const ConfigFile file(kArchive + peer + "[[swarm]]\n");
    const auto outcome = read_config(file.path());
    ASSERT_TRUE(outcome.config);
    EXPECT_EQ(outcome.config->peers.peers[0].url, "");
    EXPECT_TRUE(outcome.config->peers.peers[0].identity);
}

}  // namespace
}  // namespace aptward::node
