// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/proof.h"

#include "catalog/proof.h"
#include "http/server.h"

namespace aptward::console {
namespace {

constexpr std::size_t kMostNames = 8;

// Names and ids of Debian need no percent-encoding, so none is decoded: a name with other
// characters is simply not found.
catalog::ProofQuestion read_question(std::string_view query)
{
    catalog::ProofQuestion question;
    while (!query.empty()) {
        const std::string_view part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(part.size() + 1, query.size()));
        const std::size_t equals = std::min(part.find('='), part.size());
        const std::string_view name = part.substr(0, equals);
        const std::string_view value = part.substr(std::min(equals + 1, part.size()));
        if (name == "sha256" || name == "sha512") {
            if (const auto digest = parse_digest(value, 0))
                question.digests.push_back(*digest);
        } else if (name == "name" && !value.empty() && question.names.size() < kMostNames) {
            question.names.emplace_back(value);
        } else if (name == "release") {
            question.release = value;
        } else if (name == "archive") {
            question.archive = value;
        }
    }
    return question;
}

}  // namespace

http::Async<void> answer_proof(http::Exchange& exchange, archive::Services& services,
                               std::shared_ptr<const archive::Routes> routes)
{
    const catalog::ProofQuestion question = read_question(exchange.target().query);
    if (question.digests.empty()) {
        http::Answer answer(400);
        answer.type("text/plain; charset=utf-8");
        const std::string text =
            "request.malformed: the digest to prove is missing: ask with ?sha256=HEX or "
            "?sha512=HEX\n";
        co_await exchange.send(std::move(answer), text);
        co_return;
    }
    auto walk = [routes, question]() -> Result<catalog::Proof> {
        catalog::Proof proof;
        for (const auto& archive : routes->archives)
            TRY_VOID(catalog::look_up(question, archive->settings().id, *archive->view(), proof));
        return proof;
    };
    auto proof = co_await http::on_worker(services.workers, std::move(walk));
    if (!proof) {
        http::Answer answer(503);
        answer.type("text/plain; charset=utf-8");
        const std::string text = "table.unreadable: " + proof.error().message() + "\n";
        co_await exchange.send(std::move(answer), text);
        co_return;
    }
    auto look = [&services, question, proof = std::move(*proof)]() mutable {
        catalog::look_up_release(question, services.state.suites(), services.refused, proof);
        return catalog::to_json(proof);
    };
    const std::string text = co_await http::on_worker(services.state_thread, std::move(look));
    http::Answer answer(200);
    answer.type("application/json");
    co_await exchange.send(std::move(answer), text);
}

}  // namespace aptward::console
