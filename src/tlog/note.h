// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Signed notes: a short text with the signatures of those who vouch for it.
//
//     any text, whose last line ends like this one
//
//     — node.example RAq3...== (base64 of 4 bytes of key id and the signature)
//
// Spec: C2SP signed-note v1.0.0. Only Ed25519 (type 0x01) is made and believed. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/ed25519.h"

namespace aptward::tlog {

inline constexpr std::size_t kMaxNoteBytes = 64 * 1024;
inline constexpr std::size_t kMostNoteSignatures = 16;

struct NoteSignature {
    std::string name;  ///< Whose it says it is.
    std::uint32_t key_id = 0;
    std::string bytes;  ///< Without the key id.
};

struct Note {
    std::string text;  ///< What is signed; ends with a newline.
    std::vector<NoteSignature> signatures;
};

/// Fails with malformed for what the specification refuses: control characters, no signature, a
/// line below the text that is none; also over kMaxNoteBytes or kMostNoteSignatures.
Result<Note> parse_note(std::string_view bytes);
std::string to_string(const Note& note);

/// A name without blanks and '+', by which people know who signs.
bool is_key_name(std::string_view name);

/// Who signs: "node.example+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".
class VerifierKey {
public:
    VerifierKey(std::string name, const crypto::Ed25519Key& key);
    /// Fails with malformed, also when its id is not that of its name and key.
    static Result<VerifierKey> parse(std::string_view text);

    const std::string& name() const { return name_; }
    std::uint32_t key_id() const { return key_id_; }
    std::string to_string() const;
    const crypto::Ed25519Key& public_key() const { return key_; }
    bool has_signed(const Note& note) const;
    bool operator==(const VerifierKey&) const = default;

private:
    std::string name_;
    std::uint32_t key_id_;
    crypto::Ed25519Key key_;
};

/// The secret half: "PRIVATE+KEY+NAME+ID+BASE64".
class SignerKey {
public:
    SignerKey(std::string name, const crypto::Ed25519Key& seed);
    static Result<SignerKey> parse(std::string_view text);

    const VerifierKey& verifier() const { return verifier_; }
    std::string to_string() const;
    /// `text` ends with a newline.
    Note sign(std::string text) const;
    /// The 64 bytes alone, for what another specification wants signed; it may not read as a note.
    std::string sign_bytes(std::string_view bytes) const;

private:
    crypto::Ed25519Key seed_;
    VerifierKey verifier_;
};

/// Whose signatures of `keys` the note carries.
/// Fails with untrusted when there is none, or when one of these keys' signatures is wrong.
Result<std::vector<VerifierKey>> verify(const Note& note, const std::vector<VerifierKey>& keys);

}  // namespace aptward::tlog
