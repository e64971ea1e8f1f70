// SPDX-License-Identifier: GPL-3.0-or-later
// What a node says of itself, the first 32 bytes being the nonce: signed by a key that the input
// cannot know, no text but a right one is believed, and it is written as one that reads the same.
#include "base/check.h"
#include "input.h"
#include "peer/messages.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    static const tlog::SignerKey kSigner("node.example", crypto::Ed25519Key{1});
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    const std::string_view nonce = input.substr(0, 32);
    const std::string_view rest = input.substr(nonce.size());
    static_cast<void>(peer::read_node(rest, nonce));
    // As if a node with that key had said it.
    std::string text(rest);
    text += '\n';
    const std::string note = tlog::to_string(kSigner.sign(text));
    const auto node = peer::read_node(note, nonce);
    if (!node)
        return 0;
    CHECK(node->key == kSigner.verifier() && node->nonce == nonce,
          "it is who signed, to who asked");
    const auto again = peer::read_node(tlog::to_string(kSigner.sign(peer::to_text(*node))), nonce);
    CHECK(again && peer::to_text(*again) == peer::to_text(*node), "it is written as it reads");
    return 0;
}
