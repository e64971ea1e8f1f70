// SPDX-License-Identifier: GPL-3.0-or-later
// Takes signed Releases apart: which bytes are signed, and which are signatures.
//
// Engines and parsers have disagreed about that often enough (CVE-2011-1829, CVE-2013-1051) that
// only the text which comes out of here is ever verified and parsed (V8), and every line of the
// file must be accounted for. Lines starting with "-----" can therefore only be armour:
//
//     -----BEGIN PGP SIGNED MESSAGE-----        V2: the first line
//     Hash: SHA512                              V3: nothing but hash names
//
//     Origin: Debian                            V4: the text, "- " before a leading dash
//     -----BEGIN PGP SIGNATURE-----             V5: from here on only blocks, at most 16
//                                               V6: base64 of signature packets
//     iQIzBAEBCgAdFiEE...
//     =AbCd
//     -----END PGP SIGNATURE-----
#include <algorithm>

#include "base/text.h"
#include "crypto/armour.h"
#include "crypto/crypto.h"
#include "crypto/openpgp_packets.h"

namespace aptward::crypto {
namespace {

constexpr std::string_view kBeginMessage = "-----BEGIN PGP SIGNED MESSAGE-----";
constexpr std::string_view kBeginSignature = "-----BEGIN PGP SIGNATURE-----";
constexpr std::string_view kEndSignature = "-----END PGP SIGNATURE-----";

// V5. Debian's files have one block with three signatures.
constexpr int kMaxBlocks = 16;

// Each signature costs the engine a public-key operation; the size limit alone would allow 50,000.
// Guess: four times the largest number of blocks.
constexpr int kMaxSignatures = 64;

// V7 says 64 KB; GnuPG needs less. It hashes only the first 19,994 bytes of a line of text (its
// MAX_LINELEN) and drops trailing CR, so bytes appended to a signed line behind 20,000 CR are
// GOODSIG, also for apt 2.6.2 (measured with gpgv 2.2.40). The longest line of Debian's
// InRelease files has 137 bytes.
constexpr std::size_t kMaxLineBytes = 16'384;

tl::unexpected<Error> malformed(std::string message)
{
    return fail(Errc::malformed, std::move(message));
}

// V1, V7, and the CR that the line limit's comment tells of.
Result<void> check_bytes(std::string_view bytes)
{
    if (bytes.size() > kMaxReleaseBytes)
        return malformed("it is larger than " + std::to_string(kMaxReleaseBytes) + " bytes");
    if (bytes.find('\0') != std::string_view::npos)
        return malformed("it contains a NUL byte");
    LineReader lines(bytes);
    while (const auto line = lines.next()) {
        if (line->size() > kMaxLineBytes)
            return malformed("it has a line of more than " + std::to_string(kMaxLineBytes) +
                             " bytes");
        if (without_trailing_blanks(*line).find('\r') != std::string_view::npos)
            return malformed("it has a carriage return inside a line");
    }
    return {};
}

// V3: only "Hash: SHA256,SHA512" with names of RFC 4880 9.4. Whether the hash is strong is
// decided on what the engine reports: this line is not signed.
bool is_hash_header(std::string_view line)
{
    constexpr std::string_view kName = "Hash: ";
    if (line.substr(0, kName.size()) != kName)
        return false;
    line.remove_prefix(kName.size());
    for (;;) {
        const std::size_t end = std::min(line.find(','), line.size());
        const std::string_view name = trim(line.substr(0, end));
        const auto known = {"SHA256", "SHA512", "SHA384", "SHA224", "SHA1", "RIPEMD160", "MD5"};
        if (std::find(known.begin(), known.end(), name) == known.end())
            return false;
        if (end == line.size())
            return true;
        line.remove_prefix(end + 1);
    }
}

Result<void> skip_message_headers(LineReader& lines)
{
    while (const auto raw = lines.next()) {
        const std::string_view line = without_trailing_blanks(*raw);
        if (line.empty())
            return {};
        if (!is_hash_header(line))
            return malformed("an armour header is not \"Hash: ...\" but \"" + printable(line) +
                             "\"");
    }
    return malformed("the signed message ends in its header");
}

// V4. Reads up to and including the first signature marker.
Result<std::string> read_body(LineReader& lines)
{
    std::string text;
    bool is_first = true;
    while (const auto raw = lines.next()) {
        std::string_view line = without_trailing_blanks(*raw);
        if (line == kBeginSignature)
            return text;
        if (!line.empty() && line.front() == '-') {
            if (line.substr(0, 2) != "- ")
                return malformed("a line of the text starts with a dash that is not escaped: \"" +
                                 printable(line) + "\"");
            line.remove_prefix(2);
        }
        if (!is_first)
            text += '\n';
        is_first = false;
        text += line;
    }
    return malformed("the signed message has no signature");
}

// V6, V9: a block of signatures must hold signatures. Anything else that OpenPGP can wrap (a
// whole signed message, compressed data) is left to no engine's mood.
Result<int> count_signatures(std::string_view packets)
{
    PacketReader reader(packets);
    int count = 0;
    for (;;) {
        auto packet = reader.next();
        if (!packet)
            return malformed("in a signature block: " + packet.error().message());
        if (!packet->has_value())
            return count;
        if ((*packet)->tag != PacketTag::signature)
            return malformed("a signature block contains something that is no signature");
        ++count;
    }
}

// V6: armour headers, an empty line, base64, at most one checksum, the end. The first line is
// taken already. What is written back has no headers: nothing passes that is not needed.
Result<int> read_signature_block(LineReader& lines, std::string& signatures)
{
    enum class Part { headers, base64, checksum } part = Part::headers;
    std::string base64;
    std::string copy(kBeginSignature);
    copy += "\n\n";
    while (const auto raw = lines.next()) {
        const std::string_view line = without_trailing_blanks(*raw);
        if (line == kEndSignature) {
            const auto packets = decode_base64(base64);
            if (!packets)
                return malformed("a signature block is not base64");
            signatures.append(copy).append(kEndSignature) += '\n';
            return count_signatures(*packets);
        }
        if (part == Part::headers && line.empty()) {
            part = Part::base64;
            continue;
        }
        if (part == Part::headers && is_armour_header(line))
            continue;
        if (part == Part::base64 && is_armour_checksum(line))
            part = Part::checksum;
        else if (part == Part::base64 && !line.empty())
            base64 += line;
        else
            return malformed("a signature block contains a line that does not belong there: \"" +
                             printable(line) + "\"");
        copy.append(line) += '\n';
    }
    return malformed("a signature block is not closed");
}

// V5: reads block after block until the end of the file; the first marker is taken already.
Result<std::string> read_signatures(LineReader& lines)
{
    std::string signatures;
    int total = 0;
    for (int blocks = 1;; ++blocks) {
        if (blocks > kMaxBlocks)
            return malformed("it has more than " + std::to_string(kMaxBlocks) +
                             " signature blocks");
        TRY(const int count, read_signature_block(lines, signatures));
        total += count;
        if (total > kMaxSignatures)
            return malformed("it has more than " + std::to_string(kMaxSignatures) + " signatures");
        const auto line = lines.next();
        if (!line)
            return signatures;
        if (without_trailing_blanks(*line) != kBeginSignature)
            return malformed("there is text after the signature that is not signed");
    }
}

}  // namespace

Result<SignedText> split_clearsigned(std::string_view bytes)
{
    LineReader lines(bytes);
    const auto first = lines.next();
    if (!first || without_trailing_blanks(*first) != kBeginMessage)
        return malformed("not a signed message");
    TRY_VOID(check_bytes(bytes));
    TRY_VOID(skip_message_headers(lines));
    TRY(std::string text, read_body(lines));
    TRY(std::string signatures, read_signatures(lines));
    return SignedText{std::move(text), std::move(signatures)};
}

Result<SignedText> join_detached(std::string_view release, std::string_view release_gpg)
{
    LineReader lines(release_gpg);
    const auto first = lines.next();
    if (!first || without_trailing_blanks(*first) != kBeginSignature)
        return malformed("Release.gpg is not an armoured signature");
    if (auto checked = check_bytes(release_gpg); !checked)
        return tl::unexpected(std::move(checked).error().within("Release.gpg"));
    if (auto checked = check_bytes(release); !checked)
        return tl::unexpected(std::move(checked).error().within("Release"));
    auto signatures = read_signatures(lines);
    if (!signatures)
        return tl::unexpected(std::move(signatures).error().within("Release.gpg"));
    return SignedText{std::string(release), *std::move(signatures)};
}

Result<SignedText> join_file(std::string bytes, std::string_view signature)
{
    // The signature is taken as strictly as a Release.gpg; the file itself may hold anything.
    TRY(auto joined, join_detached("", signature));
    joined.text = std::move(bytes);
    return joined;
}

}  // namespace aptward::crypto
