// SPDX-License-Identifier: GPL-3.0-or-later
// Keyrings: from the files that operators have, binary or armoured, to the one binary form that
// gpgv reads (V19), and to the facts about the keys that the policy asks for (V15, V16).
//
// Only the packets that make up public keys are copied, so that every engine sees the same keys
// as this parser: a key it cannot read is not handed on. Binding signatures are the engine's work:
// a subkey listed here is a candidate, not a proven part of its primary key.
#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/armour.h"
#include "crypto/crypto.h"
#include "crypto/openpgp_packets.h"

namespace aptward::crypto {
namespace {

// Debian's whole keyring package has 56 kB.
constexpr std::uint64_t kMaxKeyringBytes = 16'000'000;

constexpr std::string_view kBegin = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
constexpr std::string_view kEnd = "-----END PGP PUBLIC KEY BLOCK-----";

/// One primary key with everything that belongs to it (RFC 4880 11.1).
struct TransferableKey {
    std::string bytes;
    std::vector<PublicKey> keys;    ///< The primary key first; empty when it is of another version.
    std::vector<SystemTime> noted;  ///< For each key: when the signature was made that is noted.
};

tl::unexpected<Error> malformed(std::string message)
{
    return fail(Errc::malformed, std::move(message));
}

// Takes one block from the reader; its first line is taken already. The checksum is not looked at
// (RFC 9580 6.1 forbids to insist on it): a key's fingerprint and self-signatures check better.
Result<std::string> dearmour_block(LineReader& lines)
{
    std::string base64;
    bool is_header = true;
    while (const auto raw = lines.next()) {
        const std::string_view line = trim(without_trailing_blanks(*raw));
        if (line == kEnd) {
            auto bytes = decode_base64(base64);
            if (!bytes)
                return malformed("the armoured key is not base64");
            return *std::move(bytes);
        }
        // No base64 contains a colon, so headers end with or without the empty line.
        if (is_header && (line.empty() || line.find(':') != std::string_view::npos))
            continue;
        is_header = false;
        if (!line.empty() && !is_armour_checksum(line))
            base64 += line;
    }
    return malformed("the armoured key is not closed");
}

// Several blocks in one file are one keyring. Text around them is left out, as apt does: people
// write into these files where a key came from.
Result<std::string> dearmour(std::string_view bytes)
{
    std::string binary;
    LineReader lines(bytes);
    while (const auto line = lines.next()) {
        if (trim(without_trailing_blanks(*line)) != kBegin)
            continue;
        TRY(const std::string block, dearmour_block(lines));
        binary += block;
    }
    if (binary.empty())
        return malformed("it is neither a binary keyring nor an armoured public key");
    return binary;
}

// V19 names the first bytes 0x98, 0x99 and 0xc6: a public-key packet in its three usual headers.
bool is_binary(std::string_view bytes)
{
    return (bytes.front() & 0x80) != 0;
}

bool is_for_encryption(int algorithm)
{
    return algorithm == 2 || algorithm == 16 || algorithm == 18 || algorithm == 25 ||
           algorithm == 26;
}

// RFC 4880 5.2.3.3: what the newest self-signature says holds. It is not verified here, see
// PublicKey::expires.
void note_self_signature(std::string_view body, TransferableKey& owner)
{
    constexpr int kBinding = 0x18, kDirect = 0x1f;
    const auto signature = parse_key_signature(body);
    if (!signature || owner.keys.empty())
        return;
    const bool is_on_primary =
        (signature->type >= 0x10 && signature->type <= 0x13) || signature->type == kDirect;
    if ((!is_on_primary && signature->type != kBinding) ||
        signature->issuer != owner.keys.front().fingerprint.substr(24))
        return;
    const std::size_t at = is_on_primary ? 0 : owner.keys.size() - 1;
    if ((!is_on_primary && at == 0) || signature->created < owner.noted[at])
        return;
    PublicKey& key = owner.keys[at];
    owner.noted[at] = signature->created;
    key.expires.reset();
    if (signature->key_lifetime)
        key.expires = key.created + *signature->key_lifetime;
    if (signature->key_flags)
        key.may_sign = (*signature->key_flags & 0x02) != 0 && !is_for_encryption(key.algorithm);
}

Result<void> add_key(const Packet& packet, std::vector<TransferableKey>& found)
{
    const bool is_primary = packet.tag == PacketTag::public_key;
    if (is_primary)
        found.emplace_back();
    TransferableKey& owner = found.back();
    if (!is_primary && owner.keys.empty())
        return {};
    TRY(auto key, parse_public_key(packet.body));
    if (!key)
        return {};
    key->primary = is_primary ? key->fingerprint : owner.keys.front().fingerprint;
    key->may_sign = !is_for_encryption(key->algorithm);
    owner.keys.push_back(*std::move(key));
    owner.noted.emplace_back();
    owner.bytes += packet.whole;
    return {};
}

Result<void> add_packet(const Packet& packet, std::vector<TransferableKey>& found)
{
    if (packet.tag != PacketTag::public_key && found.empty())
        return malformed("it does not start with a public key");
    switch (packet.tag) {
        case PacketTag::public_key:
        case PacketTag::public_subkey:
            return add_key(packet, found);
        case PacketTag::secret_key:
        case PacketTag::secret_subkey:
            return malformed("it contains a secret key, which must not be here");
        case PacketTag::signature:
            note_self_signature(packet.body, found.back());
            break;
        case PacketTag::user_id:
            if (!found.back().keys.empty() && found.back().keys.front().user_id.empty())
                found.back().keys.front().user_id = std::string(packet.body);
            break;
        case PacketTag::user_attribute:
            break;
        case PacketTag::trust:
            return {};  // RFC 4880 5.10: local to the program that wrote it.
        default:
            return {};  // Markers, padding and what comes after this writing.
    }
    if (!found.back().keys.empty())
        found.back().bytes += packet.whole;
    return {};
}

Result<std::vector<TransferableKey>> split_keys(std::string_view binary)
{
    std::vector<TransferableKey> found;
    PacketReader reader(binary);
    for (;;) {
        TRY(const auto packet, reader.next());
        if (!packet)
            break;
        TRY_VOID(add_packet(*packet, found));
    }
    found.erase(std::remove_if(found.begin(), found.end(),
                               [](const TransferableKey& key) { return key.keys.empty(); }),
                found.end());
    return found;
}

// The same bytes twice are one key. Different states of one key all stay, in their order, as if
// the files were concatenated: that is what apt does.
Keyring join_keys(const std::vector<TransferableKey>& found)
{
    Keyring keyring;
    std::vector<const TransferableKey*> taken;
    std::map<std::string, SystemTime> newest;  // by fingerprint
    for (const TransferableKey& key : found) {
        const bool is_known = std::any_of(taken.begin(), taken.end(), [&](const auto* other) {
            return other->bytes == key.bytes;
        });
        if (is_known)
            continue;
        taken.push_back(&key);
        keyring.binary += key.bytes;
        for (std::size_t i = 0; i < key.keys.size(); ++i) {
            PublicKey member = key.keys[i];
            member.user_id = key.keys.front().user_id;
            const auto [at, is_new] = newest.try_emplace(member.fingerprint, key.noted[i]);
            if (is_new) {
                keyring.keys.push_back(std::move(member));
            } else if (at->second <
                       key.noted[i]) {  // another state of the same key: the newer holds
                at->second = key.noted[i];
                for (PublicKey& known : keyring.keys)
                    if (known.fingerprint == member.fingerprint) {
                        known.expires = member.expires;
                        known.may_sign = member.may_sign;
                    }
            }
        }
    }
    keyring.sha256_hex = digest_of(keyring.binary).hex();
    return keyring;
}

}  // namespace

const PublicKey* Keyring::find(std::string_view fingerprint) const
{
    for (const PublicKey& key : keys)
        if (equals_ignoring_case(key.fingerprint, fingerprint))
            return &key;
    return nullptr;
}

Result<Keyring> parse_keyring(std::string_view bytes)
{
    if (bytes.empty())
        return malformed("the keyring is empty");
    if (bytes.size() > kMaxKeyringBytes)
        return malformed("the keyring is larger than " + human_size(kMaxKeyringBytes));
    // GnuPG's own format: "KBXf" after the size, type, version and flags of the first blob.
    if (bytes.substr(0, 12).find("KBXf") == 8)
        return malformed("it is a GnuPG keybox: export the keys with gpg --export");
    std::string binary;
    if (!is_binary(bytes)) {
        TRY(binary, dearmour(bytes));
        bytes = binary;
    }
    TRY(const auto found, split_keys(bytes));
    if (found.empty())
        return malformed("it holds no key of OpenPGP version 4");
    return join_keys(found);
}

Result<Keyring> load_keyrings(const std::vector<std::filesystem::path>& files)
{
    std::vector<Keyring> parts;
    for (const std::filesystem::path& file : files) {
        TRY(const std::string bytes, read_file(file, kMaxKeyringBytes));
        auto part = parse_keyring(bytes);
        if (!part)
            return tl::unexpected(std::move(part).error().within("the keyring " + file.string()));
        parts.push_back(*std::move(part));
    }
    return merge_keyrings(parts);
}

Keyring merge_keyrings(const std::vector<Keyring>& parts)
{
    std::string binary;
    for (const Keyring& part : parts)
        binary += part.binary;
    const auto found = split_keys(binary);
    CHECK(found.has_value(), "the binary form of a Keyring is what parse_keyring made");
    return join_keys(*found);
}

std::optional<SystemTime> signing_ends(const Keyring& keyring, std::string_view primary)
{
    const PublicKey* owner = keyring.find(primary);
    if (owner == nullptr)
        return std::nullopt;
    std::optional<SystemTime> last;
    bool has_one = false;
    for (const PublicKey& key : keyring.keys) {
        if (!key.may_sign || !equals_ignoring_case(key.primary, primary))
            continue;
        if (!key.expires)
            return owner->expires;
        last = has_one ? std::max(*last, *key.expires) : *key.expires;
        has_one = true;
    }
    if (last && owner->expires)
        return std::min(*last, *owner->expires);
    return last ? last : owner->expires;
}

}  // namespace aptward::crypto
