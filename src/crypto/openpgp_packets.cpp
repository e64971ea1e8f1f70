// SPDX-License-Identifier: GPL-3.0-or-later
#include "crypto/openpgp_packets.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/check.h"

namespace aptward::crypto {
namespace {

/// Takes big-endian numbers from the front; remembers running out.
class ByteReader {
public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

    std::uint32_t number(std::size_t count)
    {
        std::uint32_t value = 0;
        for (const char byte : take(count))
            value = value << 8 | static_cast<std::uint8_t>(byte);
        return value;
    }
    std::string_view take(std::size_t count)
    {
        if (count > rest_.size()) {
            has_run_out_ = true;
            rest_ = {};
            return {};
        }
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }
    bool has_run_out() const { return has_run_out_; }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
    bool has_run_out_ = false;
};

struct Curve {
    std::string_view oid;
    int bits;
};

// The curves of rule V15, by the value octets of their object identifiers (RFC 6637 11, RFC 9580
// 9.2). Others, such as secp256k1, stay at 0 bits, "unknown", so that no policy takes them for
// one of these.
constexpr Curve kCurves[] = {
    {{"\x2a\x86\x48\xce\x3d\x03\x01\x07", 8}, 256},           // NIST P-256
    {{"\x2b\x81\x04\x00\x22", 5}, 384},                       // NIST P-384
    {{"\x2b\x81\x04\x00\x23", 5}, 521},                       // NIST P-521
    {{"\x2b\x24\x03\x03\x02\x08\x01\x01\x07", 9}, 256},       // brainpoolP256r1
    {{"\x2b\x24\x03\x03\x02\x08\x01\x01\x0b", 9}, 384},       // brainpoolP384r1
    {{"\x2b\x24\x03\x03\x02\x08\x01\x01\x0d", 9}, 512},       // brainpoolP512r1
    {{"\x2b\x06\x01\x04\x01\xda\x47\x0f\x01", 9}, 256},       // Ed25519
    {{"\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01", 10}, 256},  // Curve25519
    {{"\x2b\x65\x71", 3}, 448},                               // Ed448
    {{"\x2b\x65\x6f", 3}, 448},                               // X448
};

// RFC 4880 3.2: a multiprecision integer starts with its length in bits. The announced length
// must be the true one: bits() is what the policy judges.
int mpi_bits(ByteReader& reader)
{
    const std::uint32_t announced = reader.number(2);
    const std::string_view value = reader.take((announced + 7) / 8);
    if (reader.has_run_out() || value.empty())
        return 0;
    const auto first = static_cast<std::uint8_t>(value.front());
    const std::uint32_t top = announced - (static_cast<std::uint32_t>(value.size()) - 1) * 8;
    const bool is_true = first >> top == 0 && first >> (top - 1) != 0;
    return is_true ? static_cast<int>(announced) : 0;
}

int curve_bits(ByteReader& reader)
{
    const std::string_view oid = reader.take(reader.number(1));
    for (const Curve& curve : kCurves)
        if (curve.oid == oid)
            return curve.bits;
    return 0;
}

int key_bits(int algorithm, ByteReader& reader)
{
    switch (algorithm) {
        case 1:   // RSA
        case 2:   // RSA for encryption
        case 3:   // RSA for signatures
        case 16:  // Elgamal
        case 17:  // DSA
            return mpi_bits(reader);
        case 18:  // ECDH
        case 19:  // ECDSA
        case 22:  // EdDSA
            return curve_bits(reader);
        case 25:  // X25519, RFC 9580 9.1
        case 27:  // Ed25519
            return 256;
        case 26:  // X448
        case 28:  // Ed448
            return 448;
        default:
            return 0;
    }
}

// RFC 4880 12.2: SHA-1 over 0x99, the length in two octets, and the body. SHA-1 names a key here;
// trust in it is the standard's, and comes from the operator who chose the keyring file.
std::string fingerprint_v4(std::string_view body)
{
    std::string bytes{'\x99', static_cast<char>(body.size() >> 8),
                      static_cast<char>(body.size() & 0xff)};
    bytes += body;
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    CHECK(EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, EVP_sha1(), nullptr) == 1,
          "hashing memory does not fail");
    std::string hex = to_hex(hash.data(), size);
    std::transform(hex.begin(), hex.end(), hex.begin(),
                   [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
    return hex;
}

// RFC 4880 4.2.1: one, two or four octets of length; the fourth kind has none.
std::optional<std::uint32_t> old_length(std::uint32_t first, ByteReader& reader)
{
    const std::uint32_t kind = first & 3;
    if (kind == 3)
        return std::nullopt;
    return reader.number(std::size_t{1} << kind);
}

// RFC 4880 4.2.2.
std::optional<std::uint32_t> new_length(ByteReader& reader)
{
    const std::uint32_t first = reader.number(1);
    if (first < 192)
        return first;
    if (first < 224)
        return ((first - 192) << 8) + reader.number(1) + 192;
    if (first == 255)
        return reader.number(4);
    return std::nullopt;
}

}  // namespace

Result<std::optional<Packet>> PacketReader::next()
{
    if (rest_.empty())
        return std::nullopt;
    ByteReader reader(rest_);
    const std::uint32_t first = reader.number(1);
    if ((first & 0x80) == 0)
        return fail(Errc::malformed, "it is not made of OpenPGP packets");
    const bool is_new = (first & 0x40) != 0;
    const auto tag = static_cast<PacketTag>(is_new ? first & 63 : first >> 2 & 15);
    const auto length = is_new ? new_length(reader) : old_length(first, reader);
    if (!length)
        return fail(Errc::malformed, "an OpenPGP packet has no definite length");
    const std::string_view body = reader.take(*length);
    if (reader.has_run_out())
        return fail(Errc::malformed, "an OpenPGP packet is cut off");
    const std::string_view whole = rest_.substr(0, rest_.size() - reader.rest().size());
    rest_ = reader.rest();
    return Packet{tag, body, whole};
}

Result<std::optional<PublicKey>> parse_public_key(std::string_view body)
{
    ByteReader reader(body);
    const std::uint32_t version = reader.number(1);
    if (reader.has_run_out())
        return fail(Errc::malformed, "an OpenPGP key is empty");
    if (version != 4)
        return std::nullopt;
    if (body.size() > 0xffff)  // The fingerprint's length has two octets.
        return fail(Errc::malformed, "an OpenPGP key is too large");
    PublicKey key;
    key.created = from_unix(reader.number(4));
    key.algorithm = static_cast<int>(reader.number(1));
    key.bits = key_bits(key.algorithm, reader);
    if (reader.has_run_out())
        return fail(Errc::malformed, "an OpenPGP key is cut off");
    key.fingerprint = fingerprint_v4(body);
    return key;
}

namespace {

void read_subpacket(std::uint32_t type, std::string_view value, KeySignature& signature)
{
    ByteReader reader(value);
    const auto hex = [](std::string_view bytes) {
        std::string text =
            to_hex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
        std::transform(text.begin(), text.end(), text.begin(),
                       [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
        return text;
    };
    switch (type) {
        case 2:
            signature.created = from_unix(reader.number(4));
            break;
        case 9:
            if (const std::uint32_t seconds = reader.number(4); seconds != 0)  // 0: never
                signature.key_lifetime = std::chrono::seconds(seconds);
            break;
        case 16:
            signature.issuer = hex(reader.take(8));
            break;
        case 27:
            signature.key_flags = reader.number(1);
            break;
        case 33:  // RFC 9580 5.2.3.35: the version and the fingerprint, which ends in the key id
            if (reader.number(1) == 4 && value.size() == 21)
                signature.issuer = hex(value.substr(13));
            break;
        default:
            break;
    }
}

// 5.2.3.1: a length of one, two or five octets, which counts the octet of the type.
bool read_subpackets(std::string_view area, bool is_hashed, KeySignature& signature)
{
    constexpr std::uint32_t kIssuer = 16, kIssuerFingerprint = 33;
    ByteReader reader(area);
    while (!reader.rest().empty()) {
        std::uint32_t length = reader.number(1);
        if (length == 255)
            length = reader.number(4);
        else if (length >= 192)
            length = ((length - 192) << 8) + reader.number(1) + 192;
        if (length == 0 || reader.has_run_out())
            return false;
        const std::uint32_t type = reader.number(1) & 0x7f;  // the highest bit says "critical"
        const std::string_view value = reader.take(length - 1);
        if (reader.has_run_out())
            return false;
        // Anybody can change what is not hashed; the issuer is only a hint anyway.
        if (is_hashed || type == kIssuer || type == kIssuerFingerprint)
            read_subpacket(type, value, signature);
    }
    return true;
}

}  // namespace

std::optional<KeySignature> parse_key_signature(std::string_view body)
{
    ByteReader reader(body);
    if (reader.number(1) != 4)
        return std::nullopt;
    KeySignature signature;
    signature.type = static_cast<int>(reader.number(1));
    reader.number(2);  // its algorithms
    const std::string_view hashed = reader.take(reader.number(2));
    const std::string_view unhashed = reader.take(reader.number(2));
    if (reader.has_run_out() || !read_subpackets(hashed, true, signature) ||
        !read_subpackets(unhashed, false, signature))
        return std::nullopt;
    return signature;
}

}  // namespace aptward::crypto
