// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/shelf.h"

#include <unordered_map>
#include <utility>

namespace aptward::archive {
namespace {

// Nothing in the network is as near; what it really takes is learned with the first bytes.
constexpr double kLatencyMs = 1, kRate = 500e6;

}  // namespace

struct Shelf::Stock {
    std::shared_ptr<bundle::Reader> reader;                                 // the shelf's thread
    std::unordered_map<Digest, const bundle::Member*, DigestHash> members;  // by every digest
    fetch::SourcePtr source;
};

void Shelf::put(std::shared_ptr<bundle::Reader> reader, const std::string& name)
{
    auto stock = std::make_shared<Stock>();
    for (const bundle::Member& member : reader->manifest().members) {
        if (member.name != bundle::blob_name(member.digest))
            continue;
        stock->members[member.digest] = &member;
        if (member.sha512)
            stock->members[*member.sha512] = &member;
    }
    stock->reader = std::move(reader);
    fetch::SourceSettings settings;
    settings.url = "bundle:" + name;
    // The source is the stock's: what it is asked with must not keep that.
    const std::weak_ptr<const Stock> weak = stock;
    stock->source = std::make_shared<fetch::Source>(
        std::move(settings),
        [this, weak](const Digest& digest, std::uint64_t offset, fetch::TookPiece took) {
            if (auto held = weak.lock())
                read(held, digest, offset, std::move(took));
            else
                took(fail(Errc::not_found, "another bundle has taken its place"));
        });
    fetch::SourceReport near;
    near.latency_ms = kLatencyMs;
    near.rate_bytes_per_s = kRate;
    stock->source->restore(near, steady_now());
    stock_.store(std::move(stock));
}

fetch::SourcePtr Shelf::source_of(const Digest& digest, std::string_view archive) const
{
    const auto stock = stock_.load();
    if (stock == nullptr)
        return nullptr;
    const auto found = stock->members.find(digest);
    const bool is_there = found != stock->members.end() && found->second->is_for(archive);
    return is_there ? stock->source : nullptr;
}

void Shelf::read(const std::shared_ptr<const Stock>& stock, const Digest& digest,
                 std::uint64_t offset, fetch::TookPiece took)
{
    thread_.post([stock, digest, offset, took = std::move(took)] {
        const auto found = stock->members.find(digest);
        took(found == stock->members.end()
                 ? Result<std::string>(fail(Errc::not_found, "it is not in the bundle"))
                 : stock->reader->read_some(*found->second, offset));
    });
}

}  // namespace aptward::archive
