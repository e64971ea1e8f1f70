// SPDX-License-Identifier: GPL-3.0-or-later
#include "tlog/note.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/text.h"
#include "base/utf8.h"
#include "crypto/crypto.h"

namespace aptward::tlog {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // em dash and a blank
constexpr std::string_view kPrivate = "PRIVATE+KEY+";
constexpr char kEd25519 = '\x01';
constexpr std::size_t kKeyIdBytes = 4;

tl::unexpected<Error> refuse(const std::string& why)
{
    return fail(Errc::malformed, "the note " + why);
}

std::uint32_t number_of(std::string_view four_bytes)
{
    std::uint32_t number = 0;
    for (const char c : four_bytes)
        number = number << 8 | static_cast<unsigned char>(c);
    return number;
}

std::string bytes_of(std::uint32_t number)
{
    std::string bytes;
    for (const int shift : {24, 16, 8, 0})
        bytes += static_cast<char>(number >> shift & 0xff);
    return bytes;
}

// SHA-256 over name, newline, type and public key; the first four bytes.
std::uint32_t key_id_of(const std::string& name, const crypto::Ed25519Key& key)
{
    const Digest digest = crypto::digest_of(name + "\n" + kEd25519 + crypto::bytes_of(key));
    std::uint32_t id = 0;
    for (std::size_t i = 0; i < kKeyIdBytes; ++i)
        id = id << 8 | digest.hash[i];
    return id;
}

// "— NAME BASE64", without its newline.
std::optional<NoteSignature> parse_signature(std::string_view line)
{
    if (line.substr(0, kDash.size()) != kDash)
        return std::nullopt;
    line.remove_prefix(kDash.size());
    const std::size_t blank = line.find(' ');
    if (blank == line.npos || !is_key_name(line.substr(0, blank)))
        return std::nullopt;
    auto bytes = crypto::decode_base64(line.substr(blank + 1));
    if (!bytes || bytes->size() <= kKeyIdBytes)
        return std::nullopt;
    NoteSignature signature;
    signature.name = line.substr(0, blank);
    signature.key_id = number_of(std::string_view(*bytes).substr(0, kKeyIdBytes));
    signature.bytes = bytes->substr(kKeyIdBytes);
    return signature;
}

/// What both kinds of keys are written like.
struct KeyText {
    std::string name;
    std::uint32_t key_id = 0;
    crypto::Ed25519Key key{};
};

// "NAME+8 hexadecimal digits+BASE64". The base64 may have '+' as well.
std::optional<KeyText> parse_key(std::string_view text)
{
    KeyText parsed;
    const std::size_t first = text.find('+');
    const std::size_t second = first == text.npos ? text.npos : text.find('+', first + 1);
    if (second == text.npos || second - first != 2 * kKeyIdBytes + 1)
        return std::nullopt;
    parsed.name = text.substr(0, first);
    const std::string_view id = text.substr(first + 1, 2 * kKeyIdBytes);
    const auto [end, error] = std::from_chars(id.begin(), id.end(), parsed.key_id, 16);
    const auto bytes = crypto::decode_base64(text.substr(second + 1));
    if (error != std::errc() || end != id.end() || !is_key_name(parsed.name) || !bytes ||
        bytes->front() != kEd25519)
        return std::nullopt;
    const auto key = crypto::ed25519_key(std::string_view(*bytes).substr(1));
    if (!key)
        return std::nullopt;
    parsed.key = *key;
    return parsed;
}

std::string key_text(const VerifierKey& verifier, const crypto::Ed25519Key& key)
{
    return fmt::format("{}+{:08x}+{}", verifier.name(), verifier.key_id(),
                       crypto::encode_base64(kEd25519 + crypto::bytes_of(key)));
}

}  // namespace

Result<Note> parse_note(std::string_view bytes)
{
    if (bytes.size() > kMaxNoteBytes)
        return refuse(fmt::format("is larger than {} bytes", kMaxNoteBytes));
    const bool has_control = std::any_of(bytes.begin(), bytes.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 && c != '\n';
    });
    if (has_control || !is_utf8(bytes))
        return refuse("is not plain text");
    const std::size_t end = bytes.rfind("\n\n");
    if (end == bytes.npos || bytes.back() != '\n')
        return refuse("has no signature");
    Note note;
    note.text = bytes.substr(0, end + 1);
    std::string_view rest = bytes.substr(end + 2);
    while (!rest.empty()) {
        const std::size_t line_end = rest.find('\n');  // there is one: it ends with it
        auto signature = parse_signature(rest.substr(0, line_end));
        if (!signature)
            return refuse("has a line that is no signature");
        note.signatures.push_back(std::move(*signature));
        if (note.signatures.size() > kMostNoteSignatures)
            return refuse("has too many signatures");
        rest.remove_prefix(line_end + 1);
    }
    if (note.signatures.empty())
        return refuse("has no signature");
    return note;
}

std::string to_string(const Note& note)
{
    std::string text = note.text + "\n";
    for (const NoteSignature& signature : note.signatures)
        text += fmt::format("{}{} {}\n", kDash, signature.name,
                            crypto::encode_base64(bytes_of(signature.key_id) + signature.bytes));
    return text;
}

// Unicode's other blanks are beyond what anybody names a node with; Go's reader refuses them.
bool is_key_name(std::string_view name)
{
    return !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), [](char c) {
        return c > ' ' && c <= '~' && c != '+';
    });
}

VerifierKey::VerifierKey(std::string name, const crypto::Ed25519Key& key)
    : name_(std::move(name)), key_id_(key_id_of(name_, key)), key_(key)
{
    CHECK(is_key_name(name_), "whoever makes a key gives it a name that can be written");
}

Result<VerifierKey> VerifierKey::parse(std::string_view text)
{
    const auto parsed = parse_key(text);
    if (!parsed)
        return fail(Errc::malformed, "\"" + printable(text) +
                                         "\" is no key of a signer: NAME+ID+KEY is wanted, as "
                                         "aptward bundle inspect prints it");
    VerifierKey key(parsed->name, parsed->key);
    if (key.key_id() != parsed->key_id)
        return fail(Errc::malformed, "the key \"" + printable(text) + "\" has the id of another");
    return key;
}

std::string VerifierKey::to_string() const
{
    return key_text(*this, key_);
}

bool VerifierKey::has_signed(const Note& note) const
{
    return std::any_of(note.signatures.begin(), note.signatures.end(),
                       [&](const NoteSignature& signature) {
                           return signature.name == name_ && signature.key_id == key_id_ &&
                                  crypto::verify_ed25519(key_, note.text, signature.bytes);
                       });
}

SignerKey::SignerKey(std::string name, const crypto::Ed25519Key& seed)
    : seed_(seed), verifier_(std::move(name), crypto::ed25519_public(seed))
{
}

Result<SignerKey> SignerKey::parse(std::string_view text)
{
    const bool is_private = text.substr(0, kPrivate.size()) == kPrivate;
    const auto parsed = is_private ? parse_key(text.substr(kPrivate.size())) : std::nullopt;
    if (!parsed)
        return fail(Errc::malformed, "it is no private key of a signer");
    SignerKey key(parsed->name, parsed->key);
    if (key.verifier().key_id() != parsed->key_id)
        return fail(Errc::malformed, "the private key has the id of another");
    return key;
}

std::string SignerKey::to_string() const
{
    return std::string(kPrivate) + key_text(verifier_, seed_);
}

Note SignerKey::sign(std::string text) const
{
    Note note;
    note.signatures.push_back(
        {verifier_.name(), verifier_.key_id(), crypto::sign_ed25519(seed_, text)});
    note.text = std::move(text);
    return note;
}

std::string SignerKey::sign_bytes(std::string_view bytes) const
{
    return crypto::sign_ed25519(seed_, bytes);
}

Result<std::vector<VerifierKey>> verify(const Note& note, const std::vector<VerifierKey>& keys)
{
    std::vector<VerifierKey> signers;
    for (const VerifierKey& key : keys) {
        const bool is_named = std::any_of(
            note.signatures.begin(), note.signatures.end(), [&](const NoteSignature& signature) {
                return signature.name == key.name() && signature.key_id == key.key_id();
            });
        if (!is_named)
            continue;
        if (!key.has_signed(note))
            return fail(Errc::untrusted, "the signature of " + key.name() + " is wrong");
        signers.push_back(key);
    }
    if (signers.empty())
        return fail(Errc::untrusted, "nobody who is known has signed the note");
    return signers;
}

}  // namespace aptward::tlog
