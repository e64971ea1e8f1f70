// SPDX-License-Identifier: GPL-3.0-or-later
// Signed notes and their keys, by the first byte: what is read is written as one that reads the
// same, and nothing that is read is signed by a key that did not sign it.
#include "base/check.h"
#include "input.h"
#include "tlog/note.h"

using namespace aptward;

namespace {

const tlog::SignerKey& signer()
{
    static const tlog::SignerKey kSigner("node.example", crypto::Ed25519Key{1});
    return kSigner;
}

void check_note(std::string_view bytes)
{
    const auto note = tlog::parse_note(bytes);
    if (!note)
        return;
    const std::string written = tlog::to_string(*note);
    const auto again = tlog::parse_note(written);
    CHECK(again && tlog::to_string(*again) == written, "it is written as it reads");
    CHECK(again->text == note->text, "the same text");
    const bool is_signed = signer().verifier().has_signed(*note);
    CHECK(tlog::verify(*note, {signer().verifier()}).has_value() == is_signed,
          "a signature that holds is one that counts");
    if (is_signed)
        CHECK(tlog::to_string(*note).find(
                  tlog::to_string(signer().sign(note->text)).substr(note->text.size() + 1)) !=
                  std::string::npos,
              "Ed25519 has one signature for one text and key");
}

void check_verifier(std::string_view text)
{
    if (const auto key = tlog::VerifierKey::parse(text))
        CHECK(*tlog::VerifierKey::parse(key->to_string()) == *key, "it is written as it reads");
}

void check_signer(std::string_view text)
{
    if (const auto key = tlog::SignerKey::parse(text))
        CHECK(tlog::SignerKey::parse(key->to_string())->verifier() == key->verifier(),
              "it is written as it reads");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    return fuzz::choose(bytes, size, check_note, check_verifier, check_signer);
}
