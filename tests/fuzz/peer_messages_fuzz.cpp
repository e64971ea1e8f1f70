// SPDX-License-Identifier: GPL-3.0-or-later
// What nodes say of themselves and of their releases, by the first byte: as it comes, no text is
// believed; as if a node had signed it, what is read is written as one that reads the same. For
// the first kind the next 32 bytes are the nonce.
#include "base/check.h"
#include "input.h"
#include "peer/messages.h"

using namespace aptward;

namespace {

const tlog::SignerKey& signer()
{
    static const tlog::SignerKey kSigner("node.example", crypto::Ed25519Key{1});
    return kSigner;
}

// As if that node had said it.
std::string note_of(std::string_view text)
{
    return tlog::to_string(signer().sign(std::string(text) + '\n'));
}

void check_node(std::string_view input)
{
    const std::string_view nonce = input.substr(0, 32);
    const std::string_view rest = input.substr(nonce.size());
    static_cast<void>(peer::read_node(rest, nonce));
    const auto node = peer::read_node(note_of(rest), nonce);
    if (!node)
        return;
    CHECK(node->key == signer().verifier() && node->nonce == nonce, "who signed, to who asked");
    const std::string written = peer::to_text(*node);
    const auto again = peer::read_node(tlog::to_string(signer().sign(written)), nonce);
    CHECK(again && peer::to_text(*again) == written, "it is written as it reads");
}

void check_heads(std::string_view text)
{
    static_cast<void>(peer::read_heads(text, signer().verifier()));
    const auto heads = peer::read_heads(note_of(text), signer().verifier());
    if (!heads)
        return;
    CHECK(heads->key == signer().verifier() && heads->heads.size() <= peer::kMostHeads &&
              heads->torrents.size() <= peer::kMostToldTorrents,
          "of who signed, and bounded");
    const std::string written = tlog::to_string(signer().sign(peer::to_text(*heads)));
    const auto again = peer::read_heads(written, signer().verifier());
    CHECK(again && again->heads == heads->heads && again->number == heads->number &&
              again->torrents == heads->torrents,
          "it is written as it reads");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    return fuzz::choose(bytes, size, check_node, check_heads);
}
