// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Just enough OpenPGP to know what is in a keyring and that a signature block holds signatures.
// Every size is checked before it is used; nothing here verifies a signature. Private to crypto/.
// Spec: RFC 4880 4 (packets), 5.5 (keys), 12.2 (fingerprints); RFC 6637 (elliptic curves).

#include <optional>
#include <string_view>

#include "base/result.h"
#include "crypto/crypto.h"

namespace aptward::crypto {

/// RFC 4880 4.3.
enum class PacketTag {
    signature = 2,
    secret_key = 5,
    public_key = 6,
    secret_subkey = 7,
    trust = 12,
    user_id = 13,
    public_subkey = 14,
    user_attribute = 17,
};

struct Packet {
    PacketTag tag{};  ///< May be a value that PacketTag does not name.
    std::string_view body;
    std::string_view whole;  ///< With its header.
};

/// Walks over packets. Partial and indeterminate lengths are refused: keys and signatures never
/// have them (RFC 4880 4.2.2.4 allows them for data packets only).
class PacketReader {
public:
    explicit PacketReader(std::string_view bytes) : rest_(bytes) {}

    /// The next packet, or nothing at the end. Fails with malformed.
    Result<std::optional<Packet>> next();

private:
    std::string_view rest_;
};

/// Reads the body of a key packet of version 4 without its place in a keyring (`primary`,
/// `user_id`). Nothing for other versions; a broken body fails with malformed. Pure.
Result<std::optional<PublicKey>> parse_public_key(std::string_view body);

/// What a self-signature says about a key (RFC 4880 5.2.3).
struct KeySignature {
    int type = 0;        ///< 0x10 to 0x13 on a user id, 0x18 on a subkey, 0x1f on a key.
    std::string issuer;  ///< Key id, 16 upper-case hexadecimal digits; empty when it says none.
    SystemTime created{};
    std::optional<std::chrono::seconds> key_lifetime;
    std::optional<unsigned> key_flags;  ///< 5.2.3.21: 0x02 may sign
};

/// Reads the body of a signature packet of version 4; nothing for others and for broken ones,
/// which mean nothing to the engine either. Pure.
std::optional<KeySignature> parse_key_signature(std::string_view body);

}  // namespace aptward::crypto
