// SPDX-License-Identifier: GPL-3.0-or-later
// The splitter and gpgv together against messages made by a real gpg: attack A16 and rules V2 to
// V14, case by case as one table. Keys are made anew for each run.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Status = Signature::Status;

const std::string kText = "Origin: Test\nSuite: stable\nSHA256:\n 00 1 a\n- dashed\n";
const std::string kSigned = "Origin: Test\nSuite: stable\nSHA256:\n 00 1 a\n- dashed";
const std::string kMarker = "-----BEGIN PGP SIGNATURE-----\n";

std::string replaced(std::string text, const std::string& from, const std::string& to)
{
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

/// A private gpg: keys, signing, export. Everything is in one directory.
class Workshop {
public:
    Workshop()
    {
        std::string name = "/tmp/aptward-gpg-XXXXXX";
        directory_ = ::mkdtemp(name.data());
        write("text", kText);
    }
    ~Workshop()
    {
        command("gpgconf --homedir . --kill all");
        // gpg's agent ends by itself and takes its sockets away meanwhile.
        std::error_code failed;
        do
            std::filesystem::remove_all(directory_, failed);
        while (failed == std::errc::no_such_file_or_directory ||
               failed == std::errc::directory_not_empty);
    }

    std::string path(const std::string& name) const { return directory_ + "/" + name; }
    std::string read(const std::string& name) const
    {
        return read_file(path(name), kMaxReleaseBytes).value_or("");
    }
    void write(const std::string& name, const std::string& bytes) const
    {
        std::ofstream(path(name), std::ios::binary) << bytes;
    }
    void command(const std::string& line) const
    {
        const std::string whole = "cd " + directory_ + " && " + line + " >/dev/null 2>&1";
        EXPECT_EQ(std::system(whole.c_str()), 0) << line;
    }
    void gpg(const std::string& line) const
    {
        command("gpg --homedir . --batch --yes --passphrase '' " + line);
    }
    void make_key(const std::string& name, const std::string& kind, const std::string& options = "")
    {
        gpg(options + " --quick-generate-key " + name + "@test " + kind + " sign " +
            (options.empty() ? "never" : "1y"));
    }
    /// Signs the text as `form` ("--clearsign", "--detach-sign", ...) says.
    std::string sign(const std::string& signers, const std::string& form = "--clearsign") const
    {
        gpg(signers + " --output signed " + form + " text");
        return read("signed");
    }

private:
    std::string directory_;
};

class GpgvTest : public testing::Test {
protected:
    static void SetUpTestSuite()
    {
        auto started = Spawner::start();
        ASSERT_TRUE(started) << started.error().message();
        spawner_ = std::move(*started);
        gpgv_ = make_gpgv(*spawner_);
        shop_ = std::make_unique<Workshop>();
        shop_->make_key("good", "ed25519");
        shop_->make_key("second", "rsa2048");
        shop_->make_key("expired", "ed25519", "--faked-system-time 20200101T000000!");
        shop_->make_key("revoked", "ed25519");
        shop_->make_key("stranger", "ed25519");
        good_ = shop_->sign("-u good@test");
        revoked_ = shop_->sign("-u revoked@test");
        shop_->command(
            "sed 's/^:---/---/' openpgp-revocs.d/"
            "$(gpg --homedir . --with-colons -k revoked@test | awk -F: '/^fpr/{print $10}')"
            ".rev | gpg --homedir . --batch --import");
        shop_->gpg("--output keys.gpg --export good@test second@test expired@test revoked@test");
        auto keyring = load_keyrings({shop_->path("keys.gpg")});
        ASSERT_TRUE(keyring) << keyring.error().message();
        keyring_ = *std::move(keyring);
        ASSERT_EQ(keyring_.keys.size(), 4U);
    }
    static void TearDownTestSuite()
    {
        gpgv_.reset();
        spawner_.reset();
        shop_.reset();
    }

    static std::vector<Signature> verify(const SignedText& message)
    {
        auto signatures = gpgv_->verify(message, keyring_);
        EXPECT_TRUE(signatures) << signatures.error().message();
        return signatures ? *std::move(signatures) : std::vector<Signature>();
    }
    static std::vector<Signature> verify(const std::string& bytes)
    {
        auto message = split_clearsigned(bytes);
        EXPECT_TRUE(message) << message.error().message();
        return message ? verify(*message) : std::vector<Signature>();
    }
    static std::vector<Status> statuses(const std::string& bytes)
    {
        std::vector<Status> found;
        for (const Signature& signature : verify(bytes))
            found.push_back(signature.status);
        return found;
    }
    /// What is reported when the engine is another program.
    static std::string refusal_of(const std::string& program)
    {
        const auto message = split_clearsigned(good_);
        const auto found = make_gpgv(*spawner_, program)->verify(*message, keyring_);
        if (found)
            return "none";
        EXPECT_EQ(found.error().code(), Errc::unavailable);
        return found.error().message();
    }
    /// What is reported when the engine is this shell script.
    static std::string refusal(const std::string& script)
    {
        // Outside of gpg's private directory: the child may not be who we are.
        std::string name = "/tmp/aptward-engine-XXXXXX";
        Fd file(::mkstemp(name.data()));
        EXPECT_TRUE(write_all(file.get(), "#!/bin/sh\n" + script + "\n"));
        ::fchmod(file.get(), 0755);
        file.reset();
        const std::string result = refusal_of(name);
        std::filesystem::remove(name);
        return result;
    }
    static std::string armour_of(const std::string& bytes)
    {
        return bytes.substr(bytes.find(kMarker));
    }

    static std::unique_ptr<Spawner> spawner_;
    static std::unique_ptr<OpenPgpEngine> gpgv_;
    static std::unique_ptr<Workshop> shop_;
    static Keyring keyring_;
    static std::string good_;     ///< Signed by good@test.
    static std::string revoked_;  ///< Signed by revoked@test before it was revoked.
};

std::unique_ptr<Spawner> GpgvTest::spawner_;
std::unique_ptr<OpenPgpEngine> GpgvTest::gpgv_;
std::unique_ptr<Workshop> GpgvTest::shop_;
Keyring GpgvTest::keyring_;
std::string GpgvTest::good_;
std::string GpgvTest::revoked_;

TEST_F(GpgvTest, V12_ReportsAGoodSignatureWithItsFacts)
{
    EXPECT_EQ(split_clearsigned(good_)->text, kSigned);
    const auto found = verify(good_);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].status, Status::good);
    EXPECT_EQ(found[0].fingerprint, keyring_.keys[0].fingerprint);
    EXPECT_EQ(found[0].primary, found[0].fingerprint);
    EXPECT_EQ(found[0].key_algorithm, 22);
    EXPECT_LE(found[0].created, system_now());
    EXPECT_GE(found[0].created, system_now() - std::chrono::minutes(5));
}

TEST_F(GpgvTest, A16_RefusesEveryWrappingBeforeAnEngineSeesIt)
{
    const std::string armour = armour_of(good_);
    const std::string inline_message = shop_->sign("-u good@test", "--sign");
    const std::string inline_armoured = shop_->sign("-u good@test", "--armor --sign");
    const std::string base64 = replaced(replaced(inline_armoured, "PGP MESSAGE", "PGP SIGNATURE"),
                                        "END PGP MESSAGE", "END PGP SIGNATURE");
    const std::pair<const char*, std::string> cases[] = {
        {"unsigned text before", "Origin: evil\n\n" + good_},
        {"unsigned text after", good_ + "Origin: evil\n"},
        {"second message after", good_ + good_},
        {"CVE-2013-1051: a paragraph, then another signature", good_ + "\nA: b\n" + armour},
        {"text between two signatures", good_ + "x\n" + armour},
        {"extra armour header", replaced(good_, "Hash:", "Evil: yes\nHash:")},
        {"header with a dash", replaced(good_, "Hash:", "-----BEGIN x\nHash:")},
        {"garbage inside the signature",
         replaced(good_, kMarker + "\n", kMarker + "\n?garbage?\n")},
        {"inline-signed, binary", inline_message},
        {"inline-signed, armoured", inline_armoured},
        {"inline-signed, as the signature", replaced(good_, armour, base64)},
        {"truncated in the signature", good_.substr(0, good_.size() - 40)},
        {"truncated in the text", good_.substr(0, good_.find("Suite"))},
        {"no signature", replaced(good_, armour, "")},
        {"not signed at all", kText},
        {"a portal's page", "<!DOCTYPE html><title>Log in</title>"},
        {"empty line after the signature", good_ + "\n"},
    };
    for (const auto& [what, bytes] : cases) {
        const auto split = split_clearsigned(bytes);
        ASSERT_FALSE(split) << what;
        EXPECT_EQ(split.error().code(), Errc::malformed) << what;
    }
}

TEST_F(GpgvTest, A16_AcceptsHarmlessFormsWithTheSameText)
{
    std::string crlf;
    for (const char c : good_)
        crlf += c == '\n' ? "\r\n" : std::string(1, c);
    for (const std::string& form : {crlf, replaced(good_, "Suite: stable\n", "Suite: stable \t\n"),
                                    good_.substr(0, good_.size() - 1)}) {
        EXPECT_EQ(split_clearsigned(form)->text, kSigned);
        EXPECT_THAT(statuses(form), ElementsAre(Status::good));
    }
}

TEST_F(GpgvTest, A16_NoticesEveryChangeOfTheText)
{
    for (const auto& [from, to] :
         {std::pair("stable", "stablf"), std::pair("Suite", " Suite"),
          std::pair("stable\n", "stable\n\n"), std::pair("stable\n", "stable")}) {
        const auto found = verify(replaced(good_, from, to));
        ASSERT_EQ(found.size(), 1U);
        EXPECT_EQ(found[0].status, Status::bad);
        EXPECT_EQ(found[0].fingerprint, keyring_.keys[0].fingerprint) << "named by the keyring";
    }
}

TEST_F(GpgvTest, V14_ReportsWeakHashes)
{
    EXPECT_THAT(statuses(shop_->sign("-u second@test --digest-algo SHA1")),
                ElementsAre(Status::error));
    EXPECT_THAT(statuses(shop_->sign("-u second@test --digest-algo RIPEMD160")),
                ElementsAre(Status::error));
    for (const auto& [name, number] : {std::pair("SHA224", 11), std::pair("SHA256", 8),
                                       std::pair("SHA384", 9), std::pair("SHA512", 10)}) {
        const auto found = verify(shop_->sign(std::string("-u second@test --digest-algo ") + name));
        ASSERT_EQ(found.size(), 1U);
        EXPECT_EQ(found[0].status, Status::good) << name;
        EXPECT_EQ(found[0].hash_algorithm, number);
        EXPECT_EQ(found[0].key_algorithm, 1);
    }
}

TEST_F(GpgvTest, V12_ReportsExpiredAndRevoked)
{
    const std::string old = "--faked-system-time 20200201T000000! ";
    EXPECT_THAT(statuses(shop_->sign(old + "-u expired@test")), ElementsAre(Status::expired));
    EXPECT_THAT(statuses(revoked_), ElementsAre(Status::revoked));
    const std::string short_lived =
        shop_->sign("-u good@test --default-sig-expire seconds=1 --faked-system-time " +
                    std::to_string(to_unix(system_now()) + 1));
    std::this_thread::sleep_for(std::chrono::seconds(3));
    EXPECT_THAT(statuses(short_lived), ElementsAre(Status::expired));
}

TEST_F(GpgvTest, V21_ReportsTheDateOfASignatureFromTheFuture)
{
    const auto found = verify(shop_->sign("-u good@test --faked-system-time 20380101T000000!"));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].status, Status::good);
    EXPECT_EQ(to_unix(found[0].created), 2145916800);
}

TEST_F(GpgvTest, V13_ReportsEachOfSeveralSignatures)
{
    const std::string stranger = shop_->sign("-u stranger@test");
    EXPECT_THAT(statuses(stranger), ElementsAre(Status::unknown_key));
    EXPECT_THAT(statuses(good_ + armour_of(stranger)),
                ElementsAre(Status::good, Status::unknown_key));
    EXPECT_THAT(statuses(shop_->sign("-u good@test -u second@test")),
                testing::UnorderedElementsAre(Status::good, Status::good));
    shop_->write("text", "other\n");
    const std::string other = shop_->sign("-u second@test");
    shop_->write("text", kText);
    EXPECT_THAT(statuses(good_ + armour_of(other)), testing::Contains(Status::bad));
    EXPECT_THAT(statuses(replaced(other, "other", kSigned) + armour_of(good_)),
                testing::Contains(Status::bad));
}

TEST_F(GpgvTest, V9_VerifiesReleaseWithReleaseGpg)
{
    const std::string armoured = shop_->sign("-u good@test", "--armor --detach-sign");
    const auto joined = join_detached(kText, armoured);
    ASSERT_TRUE(joined) << joined.error().message();
    EXPECT_EQ(verify(*joined).at(0).status, Status::good);
    EXPECT_EQ(verify(*join_detached(kText + "x", armoured)).at(0).status, Status::bad);
    EXPECT_FALSE(join_detached(kText, shop_->sign("-u good@test", "--detach-sign")));
}

// gpgv 2.2.40 and apt 2.6.2 say GOODSIG to this: GnuPG hashes 19,994 bytes of a line at most.
TEST_F(GpgvTest, V7_NothingCanHideBehindTheEndOfAnOverlongLine)
{
    const std::string blanks = "stable" + std::string(20'000, '\r') + "Evil: yes\n";
    EXPECT_FALSE(split_clearsigned(replaced(good_, "stable\n", blanks)));
    const std::string text_mode = shop_->sign("-u good@test", "--armor --textmode --detach-sign");
    EXPECT_EQ(verify(*join_detached(kText, text_mode)).at(0).status, Status::good);
    EXPECT_FALSE(join_detached(replaced(kText, "stable\n", blanks), text_mode));
    // Just below the limit every byte still counts.
    const std::string shorter = "stable" + std::string(16'000, ' ') + "Evil: yes\n";
    EXPECT_THAT(statuses(replaced(good_, "stable\n", shorter)), ElementsAre(Status::bad));
}

TEST_F(GpgvTest, V12_AnEmptyKeyringKnowsNobody)
{
    const auto found = gpgv_->verify(*split_clearsigned(good_), Keyring());
    ASSERT_TRUE(found) << found.error().message();
    ASSERT_EQ(found->size(), 1U);
    EXPECT_EQ(found->at(0).status, Status::unknown_key);
}

TEST_F(GpgvTest, VerifiesOnSeveralThreads)
{
    const SteadyTime start = steady_now();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([] {
            for (int round = 0; round < 5; ++round)
                EXPECT_THAT(statuses(good_), ElementsAre(Status::good));
        });
    for (std::thread& thread : threads)
        thread.join();
    const auto each = std::chrono::duration<double, std::milli>(steady_now() - start) / 20;
    RecordProperty("milliseconds_per_verification", std::to_string(each.count()));
}

TEST_F(GpgvTest, R13_ReportsAMissingEngine)
{
    EXPECT_THAT(refusal_of("/nonexistent/gpgv"), HasSubstr("No such file"));
    EXPECT_THAT(refusal_of("/etc/passwd"), HasSubstr("Permission denied"));
}

TEST_F(GpgvTest, R13_ReportsAHangingEngine)
{
    const SteadyTime start = steady_now();
    EXPECT_THAT(refusal("exec sleep 60"), HasSubstr("longer than 10 seconds"));
    EXPECT_LT(steady_now() - start, std::chrono::seconds(14));
}

TEST_F(GpgvTest, R13_ReportsACrashingEngineWhateverItSaidBefore)
{
    EXPECT_THAT(refusal("echo '[GNUPG:] NEWSIG' >&3; kill -SEGV $$"), HasSubstr("signal 11"));
}

TEST_F(GpgvTest, R13_ReportsASilentOrInterruptedEngine)
{
    EXPECT_THAT(refusal("exit 0"), HasSubstr("said nothing"));
    EXPECT_THAT(refusal("printf '[GNUPG:] NEWS' >&3"), HasSubstr("middle of a line"));
}

TEST_F(GpgvTest, V12_DoesNotBelieveAnExitCode)
{
    EXPECT_EQ(refusal("echo '[GNUPG:] NODATA 1' >&3; exit 0"), "none");
}

}  // namespace
}  // namespace aptward::crypto
