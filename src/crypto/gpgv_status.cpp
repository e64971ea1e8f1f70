// SPDX-License-Identifier: GPL-3.0-or-later
// What gpgv says, line by line. User ids in it are the attacker's text; gpgv escapes line ends in
// them, so nothing after the words that are read here is looked at.
//
//   [GNUPG:] NEWSIG                                  one signature starts
//   [GNUPG:] GOODSIG <long key id> <user id>
//   [GNUPG:] VALIDSIG <fpr> <date> <created> <expires> <version> <reserved> <key algorithm>
//                     <hash algorithm> <class> <primary fpr>
//   [GNUPG:] ERRSIG <long key id> <key algorithm> <hash algorithm> <class> <created> <rc> [<fpr>]
//
// Spec: GnuPG doc/DETAILS, "Format of the --status-fd output".
#include <algorithm>
#include <optional>

#include "base/text.h"
#include "crypto/armour.h"
#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

using Status = Signature::Status;
using Words = std::vector<std::string_view>;

constexpr std::string_view kPrefix = "[GNUPG:] ";
constexpr std::string_view kNoPublicKey = "9";  // GPG_ERR_NO_PUBKEY, in ERRSIG's field rc.

bool is_hex(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
    });
}

bool is_key_id(std::string_view text)
{
    return text.size() == 16 && is_hex(text);
}
bool is_fingerprint(std::string_view text)
{
    return text.size() == 40 && is_hex(text);
}

/// What was said about one signature; judged when the next one starts.
class Report {
public:
    void add(std::string_view keyword, const Words& fields);

    bool has_outcome() const { return outcome_.has_value(); }

    /// Nothing when no line spoke of a signature.
    std::optional<Signature> conclude() const;

private:
    void add_outcome(Status status, const Words& fields);
    void add_valid(const Words& fields);
    void add_error(const Words& fields);

    bool is_started_ = false;
    bool is_bad_ = false;  ///< There was a BADSIG.
    bool is_contradictory_ = false;
    bool is_valid_ = false;  ///< There was a VALIDSIG.
    std::optional<Status> outcome_;
    std::string key_id_;
    Signature signature_;
};

void Report::add(std::string_view keyword, const Words& fields)
{
    if (keyword == "NEWSIG")
        is_started_ = true;
    else if (keyword == "GOODSIG")
        add_outcome(Status::good, fields);
    else if (keyword == "BADSIG")
        add_outcome(Status::bad, fields);
    else if (keyword == "EXPSIG" || keyword == "EXPKEYSIG")
        add_outcome(Status::expired, fields);
    else if (keyword == "REVKEYSIG")
        add_outcome(Status::revoked, fields);
    else if (keyword == "VALIDSIG")
        add_valid(fields);
    else if (keyword == "ERRSIG")
        add_error(fields);
    else if (keyword == "NO_PUBKEY" && outcome_ != Status::unknown_key)
        add_outcome(Status::unknown_key, fields);
    else if (keyword == "UNEXPECTED")  // Something that is no signature among the signatures.
        is_started_ = is_contradictory_ = true;
}

void Report::add_outcome(Status status, const Words& fields)
{
    is_started_ = true;
    is_bad_ |= status == Status::bad;
    // One signature has one outcome (doc/DETAILS: "for each signature only one of the codes").
    if (outcome_ || fields.empty() || !is_key_id(fields[0])) {
        is_contradictory_ = true;
        return;
    }
    outcome_ = status;
    key_id_ = fields[0];
}

void Report::add_valid(const Words& fields)
{
    is_started_ = true;
    const bool is_whole =
        fields.size() >= 10 && is_fingerprint(fields[0]) && is_fingerprint(fields[9]) && !is_valid_;
    const auto created = is_whole ? parse_number<std::int64_t>(fields[2]) : std::nullopt;
    const auto key_algorithm = is_whole ? parse_number<int>(fields[6]) : std::nullopt;
    const auto hash_algorithm = is_whole ? parse_number<int>(fields[7]) : std::nullopt;
    // RFC 4880 5.2.1: 00 and 01 sign documents. A certification or a stand-alone signature says
    // nothing about a text.
    const bool is_document = is_whole && (fields[8] == "00" || fields[8] == "01");
    if (!created || !key_algorithm || !hash_algorithm || !is_document) {
        is_contradictory_ = true;
        return;
    }
    is_valid_ = true;
    signature_.fingerprint = fields[0];
    signature_.primary = fields[9];
    signature_.is_binary = fields[8] == "00";
    signature_.created = from_unix(*created);
    signature_.key_algorithm = *key_algorithm;
    signature_.hash_algorithm = *hash_algorithm;
}

void Report::add_error(const Words& fields)
{
    const bool is_unknown = fields.size() >= 6 && fields[5] == kNoPublicKey;
    add_outcome(is_unknown ? Status::unknown_key : Status::error, fields);
    if (fields.size() < 6)
        return;
    signature_.key_algorithm = parse_number<int>(fields[1]).value_or(0);
    signature_.hash_algorithm = parse_number<int>(fields[2]).value_or(0);
    signature_.created = from_unix(parse_number<std::int64_t>(fields[4]).value_or(0));
}

std::optional<Signature> Report::conclude() const
{
    if (!is_started_)
        return std::nullopt;
    Signature signature = signature_;
    if (!is_valid_)
        signature.fingerprint = key_id_;
    // V12: GOODSIG counts with a VALIDSIG of the same key only; the long key id of a version 4 key
    // is the end of its fingerprint (RFC 4880 12.2). Without any outcome nothing was verified.
    const std::string& fingerprint = signature.fingerprint;
    const bool is_same_key =
        is_valid_ && !key_id_.empty() &&
        equals_ignoring_case(fingerprint.substr(fingerprint.size() - key_id_.size()), key_id_);
    const Status status = outcome_.value_or(Status::error);
    bool is_consistent = !is_contradictory_;
    // BADSIG stays BADSIG whatever else was said: it spoils the file (V13).
    if (is_bad_) {
        signature.status = Status::bad;
        return signature;
    }
    switch (status) {
        case Status::good:
            is_consistent = is_consistent && is_same_key;
            break;
        case Status::expired:
        case Status::revoked:
            is_consistent = is_consistent && (!is_valid_ || is_same_key);
            break;
        case Status::bad:
        case Status::unknown_key:
        case Status::error:
            is_consistent = is_consistent && !is_valid_;
            break;
    }
    signature.status = is_consistent ? status : Status::error;
    return signature;
}

bool is_outcome(std::string_view keyword)
{
    const auto outcomes = {"GOODSIG", "BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG"};
    return std::find(outcomes.begin(), outcomes.end(), keyword) != outcomes.end();
}

}  // namespace

std::vector<Signature> parse_gpgv_status(std::string_view lines)
{
    std::vector<Signature> signatures;
    Report report;
    bool has_starts = false;  // GnuPG before 2.1.18 wrote no NEWSIG: then the order tells.
    const auto finish = [&] {
        if (auto signature = report.conclude())
            signatures.push_back(*std::move(signature));
        report = Report();
    };
    LineReader reader(lines);
    while (auto line = reader.next()) {
        if (line->substr(0, kPrefix.size()) != kPrefix)
            continue;
        line->remove_prefix(kPrefix.size());
        Words fields = words(*line);
        if (fields.empty())
            continue;
        const std::string_view keyword = fields.front();
        fields.erase(fields.begin());
        has_starts |= keyword == "NEWSIG";
        if (keyword == "NEWSIG" || (!has_starts && is_outcome(keyword) && report.has_outcome()))
            finish();
        report.add(keyword, fields);
    }
    finish();
    return signatures;
}

}  // namespace aptward::crypto
