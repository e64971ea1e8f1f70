// SPDX-License-Identifier: GPL-3.0-or-later
// What other nodes are told and given: what is held, and nothing is started for it. Two nodes that
// fetched for each other would wait for each other.
#include <fmt/format.h>

#include "archive/send.h"
#include "base/version.h"
#include "peer/peer.h"

namespace aptward::peer {
namespace {

http::Async<void> refuse(http::Exchange& exchange, int status, std::string code,
                         std::string message)
{
    http::Answer answer(status);
    answer.type("text/plain; charset=utf-8");
    const std::string body = code + ": " + message + "\n";
    co_await exchange.send(std::move(answer), body);
}

}  // namespace

http::Async<void> Peers::answer(http::Exchange& exchange)
{
    const http::Target& target = exchange.target();
    if (may_ask_ == MayAsk::nobody || !identity_) {
        co_await refuse(exchange, 403, "peer.not-allowed",
                        "this node gives nothing to other nodes (peers-may-ask)");
        co_return;
    }
    // Through here a client of a late ring would come before its turn.
    if (front_.ring_of(exchange.principal().address) > 0) {
        co_await refuse(exchange, 403, "peer.ring",
                        "this address is in a ring, whose turn comes later");
        co_return;
    }
    auto asked = parse_request(target.path, target.query);
    if (!asked) {
        const bool is_other = asked.error().code() == Errc::stale;
        const int status = is_other ? 404 : 400;
        std::string code = is_other ? "peer.protocol" : "peer.malformed";
        co_await refuse(exchange, status, std::move(code), asked.error().message());
        co_return;
    }
    if (auto* node = std::get_if<AskedNode>(&*asked)) {
        co_await tell_who(exchange, std::move(*node));
        co_return;
    }
    auto file = std::get<AskedFile>(std::move(*asked));
    co_await give(exchange, std::move(file));
}

http::Async<void> Peers::tell_who(http::Exchange& exchange, AskedNode asked)
{
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    const NodeText node{identity_->verifier(), run_, fmt::format("aptward/{}", version()), {1}, now,
                        std::move(asked.nonce)};
    http::Answer answer(200);
    answer.type("text/plain; charset=utf-8").header("Cache-Control", "no-store");
    const std::string body = tlog::to_string(identity_->sign(to_text(node)));
    co_await exchange.send(std::move(answer), body);
}

http::Async<void> Peers::give(http::Exchange& exchange, AskedFile asked)
{
    const auto routes = front_.routes();
    for (const auto& archive : routes->archives) {
        const auto given = asked.kind == AskedFile::Kind::index
                               ? archive->find_given_index(asked.digest, asked.path)
                               : archive->find_given_pool(asked.digest, asked.path);
        if (!given)
            continue;
        archive::Provenance provenance;
        provenance.modified = archive::modified_of(asked.digest);
        provenance.archive = archive->settings().id;
        provenance.path = given->path;
        provenance.generation_id = given->generation;
        const bool is_given =
            co_await archive::send_if_held(exchange, asked.digest, provenance, services_);
        if (is_given) {
            ++answers_;
            bytes_ += exchange.sent_bytes();
            co_return;
        }
    }
    ++not_held_;
    co_await refuse(exchange, 404, "peer.not-held",
                    "it is not held here; that says nothing about the archive");
}

}  // namespace aptward::peer
