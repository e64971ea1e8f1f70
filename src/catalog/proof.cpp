// SPDX-License-Identifier: GPL-3.0-or-later
#include "catalog/proof.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace aptward::catalog {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostPlaces = 100;  // an answer that people read

std::string_view file_name(std::string_view path)
{
    return path.substr(path.rfind('/') + 1);
}

const char* to_string(ProofPlace::Kind kind)
{
    switch (kind) {
        case ProofPlace::Kind::pool:
            return "pool";
        case ProofPlace::Kind::index:
            return "index";
        case ProofPlace::Kind::release:
            return "release";
    }
    return "";
}

/// The walk over one generation.
class LookUp {
public:
    LookUp(const ProofQuestion& question, ProofPlace where, Proof& proof)
        : question_(question), where_(std::move(where)), proof_(proof)
    {
    }

    Result<void> visit(const Generation& generation)
    {
        where_.generation = generation.id();
        where_.date = generation.date();
        where_.signers = generation.verified().signers();
        if (generation.id() == question_.release)
            add(proof_.proven, ProofPlace::Kind::release, "", "", generation.id());
        for (const auto& [path, file] : generation.release().files)
            for (const Digest& digest : file.digests)
                if (is_asked(digest))
                    add(proof_.proven, ProofPlace::Kind::index, "", path, digest.hex());
        for (const auto& [base, table] : generation.tables())
            TRY_VOID(table->each([&, index = base](std::string_view path, const Digest& digest) {
                if (is_asked(digest))
                    add(proof_.proven, ProofPlace::Kind::pool, index, path, digest.hex());
                else if (where_.age == "current" && is_named(path))
                    add(proof_.other_bytes, ProofPlace::Kind::pool, index, path, digest.hex());
            }));
        return {};
    }

private:
    bool is_asked(const Digest& digest) const
    {
        return std::any_of(
            question_.digests.begin(), question_.digests.end(), [&](const Digest& asked) {
                return asked.algorithm == digest.algorithm && asked.hash == digest.hash;
            });
    }

    bool is_named(std::string_view path) const
    {
        const std::string_view name = file_name(path);
        return std::find(question_.names.begin(), question_.names.end(), name) !=
               question_.names.end();
    }

    void add(std::vector<ProofPlace>& places, ProofPlace::Kind kind, std::string_view index,
             std::string_view path, std::string hash)
    {
        if (places.size() == kMostPlaces)
            return;
        where_.kind = kind;
        where_.index = index;
        where_.path = path;
        where_.hash = std::move(hash);
        places.push_back(where_);
    }

    const ProofQuestion& question_;
    ProofPlace where_;
    Proof& proof_;
};

Json to_json(const std::vector<ProofPlace>& places)
{
    Json list = Json::array();
    for (const ProofPlace& place : places)
        list.push_back(
            {{"kind", to_string(place.kind)},
             {"archive", place.archive},
             {"suite", place.suite},
             {"component",
              deb::classify_index(place.kind == ProofPlace::Kind::pool ? place.index : place.path)
                  .component},
             {"index", place.index},
             {"path", place.path},
             {"hash", place.hash},
             {"generation", place.generation},
             {"age", place.age},
             {"date", to_unix(place.date)},
             {"date_text", deb::format_release_date(place.date)},
             {"signed_by", place.signers}});
    return list;
}

bool is_proven(const Proof& proof, const std::string& archive, const std::string& suite)
{
    return std::any_of(proof.proven.begin(), proof.proven.end(), [&](const ProofPlace& place) {
        return place.kind == ProofPlace::Kind::release && place.archive == archive &&
               place.suite == suite;
    });
}

}  // namespace

Result<void> look_up(const ProofQuestion& question, const std::string& archive,
                     const ArchiveView& view, Proof& proof)
{
    if (!question.archive.empty() && question.archive != archive)
        return {};
    ProofPlace where;
    where.archive = archive;
    for (const auto& [suite, state] : view.suites) {
        where.suite = suite;
        where.age = "current";
        if (state.current)
            TRY_VOID(LookUp(question, where, proof).visit(*state.current));
    }
    for (const auto& [suite, state] : view.suites)
        for (const GenerationPtr& generation : state.recent) {
            where.suite = suite;
            where.age = "recent";
            TRY_VOID(LookUp(question, where, proof).visit(*generation));
        }
    return {};
}

void look_up_release(const ProofQuestion& question, const SuiteStates& suites,
                     const Refused& refused, Proof& proof)
{
    const auto is_meant = [&](const std::string& archive) {
        return question.archive.empty() || question.archive == archive;
    };
    for (const auto& suite : suites) {
        const auto& [archive, name] = suite.first;
        if (question.release.empty() || !is_meant(archive) ||
            suite.second.releases().count(question.release) == 0 || is_proven(proof, archive, name))
            continue;
        ProofPlace place;
        place.kind = ProofPlace::Kind::release;
        place.archive = archive;
        place.suite = name;
        place.generation = place.hash = question.release;
        place.age = "earlier";
        place.signers = suite.second.floor.signers;
        proof.proven.push_back(std::move(place));
    }
    std::set<std::string> ids = {question.release};
    for (const Digest& digest : question.digests)
        ids.insert(digest.hex());
    for (Refused::Entry& entry : refused.all())
        if (ids.count(entry.id) > 0 && is_meant(entry.archive))
            proof.refused.push_back(std::move(entry));
}

std::string to_json(const Proof& proof)
{
    Json refused = Json::array();
    for (const Refused::Entry& entry : proof.refused)
        refused.push_back({{"id", entry.id},
                           {"archive", entry.archive},
                           {"suite", entry.suite},
                           {"source", entry.source},
                           {"code", entry.code},
                           {"message", entry.message},
                           {"time", to_unix(entry.time)},
                           {"time_text", deb::format_release_date(entry.time)}});
    const Json document = {{"proven", to_json(proof.proven)},
                           {"other_bytes", to_json(proof.other_bytes)},
                           {"refused", refused}};
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace aptward::catalog
