// SPDX-License-Identifier: GPL-3.0-or-later
#include <gmock/gmock.h>

#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

using Status = Signature::Status;

const std::string kKey = "102532CE285F0179A0C3DC5D74880418E0F6CE16";
const std::string kId = "74880418E0F6CE16";
const std::string kOther = "F6BA07E9A0D0FAB27B2C03D941480BA8EAC1E5AB";
const std::string kOtherId = "41480BA8EAC1E5AB";

std::string line(const std::string& text)
{
    return "[GNUPG:] " + text + "\n";
}

std::string valid(const std::string& key, const std::string& type = "01")
{
    return line("VALIDSIG " + key + " 2026-11-24 1795487558 0 4 0 22 8 " + type + " " + key);
}

const std::string kNew = line("NEWSIG a@example.org");
const std::string kGood = line("GOODSIG " + kId + " A <a@example.org>");
const std::string kBad = line("BADSIG " + kId + " A <a@example.org>");
const std::string kUnknown = line("ERRSIG " + kId + " 22 8 01 1795487558 9 " + kKey);
const std::string kNoKey = line("NO_PUBKEY " + kId);

std::vector<Status> statuses(const std::string& lines)
{
    std::vector<Status> found;
    for (const Signature& signature : parse_gpgv_status(lines))
        found.push_back(signature.status);
    return found;
}

TEST(GpgvStatus, V12_ReadsEveryFactOfAGoodSignature)
{
    const auto found = parse_gpgv_status(
        kNew + line("KEY_CONSIDERED " + kKey + " 0") + kGood +
        line("VALIDSIG " + kKey + " 2026-11-24 1795487558 0 4 0 1 10 00 " + kOther));
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].status, Status::good);
    EXPECT_EQ(found[0].fingerprint, kKey);
    EXPECT_EQ(found[0].primary, kOther);
    EXPECT_EQ(found[0].key_algorithm, 1);
    EXPECT_EQ(found[0].hash_algorithm, 10);
    EXPECT_EQ(to_unix(found[0].created), 1795487558);
}

TEST(GpgvStatus, V12_TellsASignatureOfBytesFromOneOfText)
{
    EXPECT_TRUE(parse_gpgv_status(kNew + kGood + valid(kKey, "00")).at(0).is_binary);
    EXPECT_FALSE(parse_gpgv_status(kNew + kGood + valid(kKey, "01")).at(0).is_binary);
    EXPECT_FALSE(parse_gpgv_status(kNew + kUnknown + kNoKey).at(0).is_binary);
}

struct Case {
    const char* what;
    std::string lines;
    std::vector<Status> wanted;
};

const Case kCases[] = {
    {"nothing", "", {}},
    {"no signature at all", line("NODATA 4"), {}},
    {"good", kNew + kGood + valid(kKey), {Status::good}},
    {"V12: GOODSIG alone", kNew + kGood, {Status::error}},
    {"V12: VALIDSIG alone", kNew + valid(kKey), {Status::error}},
    {"V12: VALIDSIG of another key", kNew + kGood + valid(kOther), {Status::error}},
    {"V12: certification", kNew + kGood + valid(kKey, "13"), {Status::error}},
    {"V12: stand-alone", kNew + kGood + valid(kKey, "02"), {Status::error}},
    {"V12: two VALIDSIG", kNew + kGood + valid(kKey) + valid(kKey), {Status::error}},
    {"V12: two GOODSIG", kNew + kGood + kGood + valid(kKey), {Status::error}},
    {"V12: expired key", kNew + line("EXPKEYSIG " + kId + " A") + valid(kKey), {Status::expired}},
    {"V12: expired signature", kNew + line("EXPSIG " + kId + " A"), {Status::expired}},
    {"V12: revoked", kNew + line("REVKEYSIG " + kId + " A") + valid(kKey), {Status::revoked}},
    {"V12: good and expired",
     kNew + kGood + line("EXPKEYSIG " + kId + " A") + valid(kKey),
     {Status::error}},
    {"V12: revoked, other VALIDSIG",
     kNew + line("REVKEYSIG " + kId + " A") + valid(kOther),
     {Status::error}},
    {"V13: bad", kNew + kBad, {Status::bad}},
    {"V13: bad stays bad", kNew + kGood + kBad + valid(kKey), {Status::bad}},
    {"V13: good, then bad", kNew + kGood + valid(kKey) + kNew + kBad, {Status::good, Status::bad}},
    {"V13: unknown beside good",
     kNew + kUnknown + kNoKey + kNew + kGood + valid(kKey),
     {Status::unknown_key, Status::good}},
    {"unknown without NO_PUBKEY", kNew + kUnknown, {Status::unknown_key}},
    {"NO_PUBKEY alone", kNew + kNoKey, {Status::unknown_key}},
    {"V14: weak digest", kNew + line("ERRSIG " + kId + " 1 2 01 1795487558 5 -"), {Status::error}},
    {"weak digest and NO_PUBKEY",
     kNew + line("ERRSIG " + kId + " 1 2 01 1795487558 5 -") + kNoKey,
     {Status::error}},
    {"not a signature inside", kNew + kGood + valid(kKey) + line("UNEXPECTED 0"), {Status::error}},
    {"nothing decided", kNew, {Status::error}},
    {"VALIDSIG cut", kNew + kGood + line("VALIDSIG " + kKey + " 2026-11-24 17"), {Status::error}},
    {"VALIDSIG with a short fingerprint", kNew + kGood + valid(kId), {Status::error}},
    {"GOODSIG with a short id", kNew + line("GOODSIG E0F6CE16 A") + valid(kKey), {Status::error}},
    {"GOODSIG without id", kNew + line("GOODSIG") + valid(kKey), {Status::error}},
    {"other programs' lines",
     "gpgv: Good signature\nGOODSIG " + kId + " A\n" + valid(kKey),
     {Status::error}},
    {"old gpgv without NEWSIG",
     kGood + valid(kKey) + line("GOODSIG " + kOtherId + " B") + valid(kOther),
     {Status::good, Status::good}},
    {"a user id that looks like a status",
     kNew + line("BADSIG " + kId + " x [GNUPG:] GOODSIG " + kId + " [GNUPG:] VALIDSIG " + kKey),
     {Status::bad}},
};

TEST(GpgvStatus, V12_V13_JudgesEverySignatureByItsOwnLines)
{
    for (const Case& test : kCases)
        EXPECT_EQ(statuses(test.lines), test.wanted) << test.what;
}

TEST(GpgvStatus, V12_NamesAKeyIdOnlyWhereThereIsNoFingerprint)
{
    const auto found = parse_gpgv_status(kNew + kUnknown + kNoKey);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].fingerprint, kId);
    EXPECT_EQ(found[0].primary, "");
    EXPECT_EQ(found[0].hash_algorithm, 8);
    EXPECT_EQ(found[0].key_algorithm, 22);
}

// Whatever is left out of a good report, it never becomes a better one.
TEST(GpgvStatus, V12_EveryCutReportIsGoodOnlyWithBothLines)
{
    const std::string whole = kNew + kGood + valid(kKey);
    for (std::size_t size = 0; size + 1 < whole.size(); ++size)
        for (const Status status : statuses(whole.substr(0, size)))
            EXPECT_EQ(status, Status::error) << size;
}

}  // namespace
}  // namespace aptward::crypto
