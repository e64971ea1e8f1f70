// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include "trust/trust.h"

namespace aptward::trust {
namespace {

using crypto::Signature;

const std::string kOne(40, '1'), kTwo(40, '2'), kSub(40, '3');
const SystemTime kNow = from_unix(1'790'000'000);

Signature good(const std::string& fingerprint, const std::string& primary)
{
    Signature signature;
    signature.status = Signature::Status::good;
    signature.fingerprint = fingerprint;
    signature.primary = primary;
    signature.hash_algorithm = 10;
    signature.created = kNow - std::chrono::hours(2);
    return signature;
}

class JudgeTest : public testing::Test {
protected:
    JudgeTest()
    {
        for (const auto& [fingerprint, primary] :
             {std::pair{kOne, kOne}, std::pair{kTwo, kTwo}, std::pair{kSub, kOne}}) {
            crypto::PublicKey key;
            key.fingerprint = fingerprint;
            key.primary = primary;
            key.algorithm = 1;
            key.bits = 4096;
            keyring.keys.push_back(key);
        }
        signatures = {good(kOne, kOne)};
    }

    std::string text(SystemTime date, const std::string& more = {}) const
    {
        return "Origin: Test\nLabel: Test\nSuite: stable\nCodename: stable\nDate: " +
               deb::format_release_date(date) + "\n" + more;
    }

    std::string code(const std::string& release)
    {
        last = judge({release, "signatures"}, signatures, keyring, policy, floor, suite, kNow,
                     Freshness::live);
        EXPECT_EQ(last.is_accepted(), last.verdict.code == "release.accepted" ||
                                          last.verdict.code == "release.unchanged");
        return last.verdict.code;
    }

    void accept(const std::string& release)
    {
        ASSERT_EQ(code(release), "release.accepted") << last.verdict.message;
        floor = raise(floor, *last.release);
    }

    crypto::Keyring keyring;
    Policy policy;
    Floor floor;
    std::vector<Signature> signatures;
    std::string suite = "stable";
    Judgement last;
    const SystemTime hour_ago = kNow - std::chrono::hours(1);
};

TEST_F(JudgeTest, V20_AcceptsAndRecordsWhoSigned)
{
    accept(text(hour_ago));
    EXPECT_EQ(floor.signers, std::vector<std::string>{kOne});
    EXPECT_EQ(code(text(hour_ago)), "release.unchanged");
    signatures.clear();
    EXPECT_EQ(code(text(hour_ago)), "release.unsigned");
}

TEST_F(JudgeTest, V16_AKeyThatIsNewInTheKeyringCountsOnlyOnceItIsApproved)
{
    policy.approved = {kOne};
    accept(text(hour_ago));
    EXPECT_TRUE(last.unapproved.empty());
    signatures.push_back(good(kTwo, kTwo));
    const std::string both = text(hour_ago + std::chrono::minutes(1));
    accept(both);
    EXPECT_EQ(last.unapproved, std::vector<std::string>{kTwo}) << "vouched for: to be proposed";
    EXPECT_EQ(last.signers, std::vector<std::string>{kOne});
    signatures.erase(signatures.begin());
    const std::string rotated = text(hour_ago + std::chrono::minutes(2));
    EXPECT_EQ(code(rotated), "release.unapproved-key");
    policy.approved.insert(kTwo);
    EXPECT_EQ(code(rotated), "release.accepted");
}

TEST_F(JudgeTest, V13_OneBadSignatureSpoilsTheFileAndAnUnknownOneDoesNot)
{
    signatures.push_back(good(kTwo, kTwo));
    signatures.back().status = Signature::Status::unknown_key;
    EXPECT_EQ(code(text(hour_ago)), "release.accepted");
    signatures.back().status = Signature::Status::bad;
    EXPECT_EQ(code(text(hour_ago)), "release.bad-signature");
}

TEST_F(JudgeTest, V12_ASignatureOfTextProvesNoFile)
{
    EXPECT_EQ(code(text(hour_ago)), "release.accepted") << "a release is text";
    const auto judged = [&] { return judge_file(signatures, keyring, policy, kNow); };
    EXPECT_EQ(judged().verdict.code, "file.text-signature");
    signatures.push_back(good(kTwo, kTwo));
    signatures.back().is_binary = true;
    EXPECT_EQ(judged().signers, std::vector<std::string>{kTwo});
    policy.threshold = 2;
    EXPECT_EQ(judged().verdict.code, "file.threshold");
}

TEST_F(JudgeTest, AFileThatIsNoReleaseIsJudgedByTheSameKeys)
{
    signatures[0].is_binary = true;
    const auto judged = [&] { return judge_file(signatures, keyring, policy, kNow); };
    EXPECT_TRUE(judged().is_accepted());
    EXPECT_EQ(judged().signed_at, kNow - std::chrono::hours(2));
    // A signature that does not count says nothing of the file's age either.
    policy.approved = {kOne};
    signatures.push_back(good(kTwo, kTwo));
    signatures.back().is_binary = true;
    signatures.back().created = kNow + std::chrono::hours(24 * 365);
    EXPECT_EQ(judged().signed_at, kNow - std::chrono::hours(2));
    signatures.pop_back();
    policy.approved.clear();
    policy.threshold = 2;
    EXPECT_EQ(judged().verdict.code, "file.threshold");
    policy.threshold = 1;
    policy.signed_by = {kTwo};
    EXPECT_EQ(judged().verdict.code, "file.unknown-key");
    policy.signed_by.clear();
    policy.approved = {kTwo};
    EXPECT_EQ(judged().verdict.code, "file.unapproved-key");
    policy.approved.clear();
    signatures[0].hash_algorithm = 2;  // SHA-1
    EXPECT_EQ(judged().verdict.code, "file.weak");
    signatures[0].status = Signature::Status::bad;
    EXPECT_EQ(judged().verdict.code, "file.bad-signature");
    signatures.clear();
    EXPECT_EQ(judged().verdict.code, "file.unsigned");
    EXPECT_FALSE(judged().is_accepted());
}

TEST_F(JudgeTest, V12_ExpiredAndRevokedKeysAreWorthless)
{
    signatures[0].status = Signature::Status::expired;
    EXPECT_EQ(code(text(hour_ago)), "release.expired-signature");
    signatures[0].status = Signature::Status::revoked;
    EXPECT_EQ(code(text(hour_ago)), "release.revoked-key");
}

TEST_F(JudgeTest, V14_V15_WeakHashesAndKeysAreRefused)
{
    for (const int weak : {1, 2, 3, 11}) {
        signatures[0].hash_algorithm = weak;
        EXPECT_EQ(code(text(hour_ago)), "release.weak") << weak;
    }
    signatures[0].hash_algorithm = 8;
    keyring.keys[0].bits = 1024;
    EXPECT_EQ(code(text(hour_ago)), "release.weak");
    keyring.keys[0].bits = 4096;
    keyring.keys[0].algorithm = 17;
    EXPECT_EQ(code(text(hour_ago)), "release.weak");
}

TEST_F(JudgeTest, V16_PinsNamePrimaryKeysOrExactlyOneKey)
{
    policy.signed_by = {kTwo};
    EXPECT_EQ(code(text(hour_ago)), "release.unknown-key");
    signatures = {good(kSub, kOne)};
    policy.signed_by = {kOne};
    EXPECT_EQ(code(text(hour_ago)), "release.accepted");
    policy.signed_by = {kOne + "!"};
    EXPECT_EQ(code(text(hour_ago)), "release.unknown-key");
}

TEST_F(JudgeTest, A12_V17_TheThresholdCountsEachPrimaryKeyOnce)
{
    policy.threshold = 2;
    signatures.push_back(good(kSub, kOne));
    EXPECT_EQ(code(text(hour_ago)), "release.threshold");
    signatures.push_back(good(kTwo, kTwo));
    EXPECT_EQ(code(text(hour_ago)), "release.accepted");
}

TEST_F(JudgeTest, V18_SignedByOfAReleaseBindsTheNextOne)
{
    accept(text(hour_ago, "Signed-By: " + kTwo + "\n"));
    EXPECT_EQ(code(text(kNow - std::chrono::minutes(1))), "release.unknown-key");
    signatures = {good(kTwo, kTwo)};
    EXPECT_EQ(code(text(kNow - std::chrono::minutes(1))), "release.accepted");
}

TEST_F(JudgeTest, V21_V25_A8_NothingFromTheFutureCounts)
{
    EXPECT_EQ(code(text(kNow + std::chrono::hours(1))), "release.not-yet-valid");
    signatures[0].created = kNow + std::chrono::hours(1);
    EXPECT_EQ(code(text(hour_ago)), "release.not-yet-valid");
}

TEST_F(JudgeTest, A6_V27_OlderOrEqualButDifferentReleasesAreRefused)
{
    accept(text(hour_ago));
    EXPECT_EQ(code(text(hour_ago - std::chrono::hours(1))), "release.rollback");
    EXPECT_EQ(code(text(hour_ago, "Version: 2\n")), "release.equivocation");
    floor.approved.insert(release_id(text(hour_ago - std::chrono::hours(1))));
    EXPECT_EQ(code(text(hour_ago - std::chrono::hours(1))), "release.accepted");
}

TEST_F(JudgeTest, A24_AClockBehindTheNewestReleaseExtendsNoTrust)
{
    accept(text(hour_ago));
    floor.date = kNow + std::chrono::hours(24);
    EXPECT_EQ(code(text(hour_ago)), "release.clock-behind");
    // It was that release which was wrong: an operator says so of the right one.
    const std::string right = text(hour_ago - std::chrono::hours(1));
    EXPECT_EQ(code(right), "release.clock-behind");
    floor.approved.insert(release_id(right));
    EXPECT_EQ(code(right), "release.accepted");
}

TEST_F(JudgeTest, V26_ExpiredReleasesAreRefused)
{
    EXPECT_EQ(
        code(text(hour_ago, "Valid-Until: " +
                                deb::format_release_date(kNow - std::chrono::minutes(1)) + "\n")),
        "release.expired");
}

TEST_F(JudgeTest, V26_TheOperatorsLimitCountsWhereItIsTheSooner)
{
    policy.max_valid_time = std::chrono::minutes(30);
    EXPECT_EQ(code(text(hour_ago)), "release.expired");
    const std::string tomorrow = deb::format_release_date(kNow + std::chrono::hours(24));
    EXPECT_EQ(code(text(hour_ago, "Valid-Until: " + tomorrow + "\n")), "release.expired");
    policy.max_valid_time = std::chrono::hours(2);
    EXPECT_EQ(code(text(hour_ago)), "release.accepted");
}

TEST_F(JudgeTest, V28_ChangesOfIdentityNeedAnApproval)
{
    accept(text(hour_ago));
    std::string changed = text(kNow - std::chrono::minutes(1));
    changed.replace(changed.find("Origin: Test"), 12, "Origin: Else");
    EXPECT_EQ(code(changed), "release.identity-changed");
    EXPECT_EQ(code(text(kNow - std::chrono::minutes(1), "NotAutomatic: yes\n")),
              "release.identity-changed");
}

TEST_F(JudgeTest, V30_AReleaseIsNeverTakenUnsignedOrWeakAfterAStrongOne)
{
    accept(text(hour_ago));
    const std::string next = text(kNow - std::chrono::minutes(1));
    EXPECT_EQ(code(next + "MD5Sum:\n 0123456789abcdef0123456789abcdef 5 x\n"), "release.malformed");
    signatures[0].hash_algorithm = 2;  // SHA-1
    EXPECT_EQ(code(next), "release.weak");
    signatures.clear();
    EXPECT_EQ(code(next), "release.unsigned");
}

TEST_F(JudgeTest, A22_V29_AnotherSuiteIsRefused)
{
    suite = "testing";
    EXPECT_EQ(code(text(hour_ago)), "release.wrong-suite");
}

TEST_F(JudgeTest, V10_BothFormsOfOneReleaseHaveOneId)
{
    EXPECT_EQ(release_id("Suite: x\nDate: y"), release_id("Suite: x  \r\nDate: y\n"));
    EXPECT_NE(release_id("Suite: x\nDate: y"), release_id("Suite: x\nDate: z"));
}

TEST_F(JudgeTest, OnlyJournalledReleasesAreRecalled)
{
    const std::string release = text(hour_ago);
    EXPECT_TRUE(recall({release, ""}, {release_id(release)}, {kOne}));
    EXPECT_FALSE(recall({release, ""}, {release_id("another")}, {kOne}));
}

TEST_F(JudgeTest, V8_OnlyTheSplittersTextIsParsed)
{
    crypto::SignedText split{text(hour_ago),
                             "Suite: evil\nDate: " + deb::format_release_date(kNow) + "\n"};
    const Judgement judgement =
        judge(split, signatures, keyring, policy, floor, suite, kNow, Freshness::live);
    ASSERT_TRUE(judgement.is_accepted()) << judgement.verdict.message;
    EXPECT_EQ(judgement.release->release().suite, "stable");
    EXPECT_EQ(*judgement.release->release().date, hour_ago);
    EXPECT_EQ(judgement.id, release_id(text(hour_ago)));
    EXPECT_EQ(judgement.release->signed_text().text, text(hour_ago));
}

TEST_F(JudgeTest, V25_V26_ThePastIsJudgedForThen)
{
    using std::chrono::hours;
    accept(text(kNow - hours(1)));
    const SystemTime moment = kNow - hours(1000);
    const auto code_then = [&](const std::string& release) {
        return judge({release, "signatures"}, signatures, keyring, policy, floor, suite, moment,
                     Freshness::past)
            .verdict.code;
    };
    const auto valid_for = [&](hours time) {
        return "Valid-Until: " + deb::format_release_date(moment - hours(2) + time) + "\n";
    };
    EXPECT_EQ(code_then(text(moment)), "release.accepted") << "no roll-back";
    EXPECT_EQ(code_then(text(moment - hours(2), valid_for(hours(3)))), "release.accepted")
        << "expired now, not then";
    EXPECT_EQ(code_then(text(moment - hours(2), valid_for(hours(1)))), "release.expired");
    EXPECT_EQ(code_then(text(moment + std::chrono::seconds(1))), "release.later");
    EXPECT_EQ(code_then("Origin: Other\nLabel: Test\nSuite: stable\nCodename: old\nDate: " +
                        deb::format_release_date(moment) + "\n"),
              "release.identity-changed");
    EXPECT_EQ(code_then("Origin: Test\nLabel: Test\nSuite: stable\nCodename: old\nDate: " +
                        deb::format_release_date(moment) + "\n"),
              "release.accepted")
        << "another one was stable then";
    signatures = {good(std::string(40, '9'), std::string(40, '9'))};
    EXPECT_NE(code_then(text(moment)), "release.accepted");
}

}  // namespace
}  // namespace aptward::trust
