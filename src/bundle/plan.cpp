// SPDX-License-Identifier: GPL-3.0-or-later
// What goes into a bundle: decided from what is held, before a byte is written.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bundle/bundle.h"
#include "crypto/crypto.h"

namespace aptward::bundle {
namespace {

constexpr std::size_t kMostNamed = 5;  // packages, in one line for people
constexpr std::size_t kPieceBytes = 256 * 1024;

std::string joined(const std::vector<std::string>& names)
{
    return fmt::format("{}", fmt::join(names, ", "));
}

template <class Map>
std::vector<std::string> keys_of(const Map& map)
{
    std::vector<std::string> keys;
    for (const auto& [key, value] : map)
        keys.push_back(key);
    return keys;
}

using Place = std::pair<std::string, std::string>;  // archive, suite

class Planner {
public:
    Planner(const catalog::Held& held, const store::Blobs& blobs, const store::PrivateMarks& marks,
            const Request& request)
        : held_(held), blobs_(blobs), marks_(marks), request_(request)
    {
    }

    Result<Plan> make()
    {
        missing_.insert(request_.missing.begin(), request_.missing.end());
        for (const Request::Part& part : request_.parts)
            TRY_VOID(choose_suites(part));
        for (const auto& [place, generation] : suites_) {
            add_release(place, *generation);
            TRY_VOID(add_indexes(place, *generation));
            if (!request_.files)
                TRY_VOID(add_everything(place, *generation));
        }
        if (request_.files)
            for (const Request::File& file : *request_.files)
                TRY_VOID(add_file(file));
        plan_.manifest.packages = request_.packages;
        for (auto& [name, member] : members_)
            plan_.manifest.members.push_back(std::move(member));
        plan_.manifest.missing.assign(missing_.begin(), missing_.end());
        plan_.purpose = purpose();
        return std::move(plan_);
    }

private:
    Result<void> choose_suites(const Request::Part& part)
    {
        const auto archive = held_.archives.find(part.archive);
        if (archive == held_.archives.end())
            return fail(Errc::not_found,
                        fmt::format("nothing of an archive {} is held; there is: {}", part.archive,
                                    joined(keys_of(held_.archives))));
        std::map<std::string, catalog::GenerationPtr> served;
        for (const auto& [name, view] : archive->second.suites)
            if (view.current)
                served.emplace(name, view.current);
        for (const std::string& suite : part.suites)
            if (served.count(suite) == 0)
                return fail(Errc::not_found,
                            fmt::format("nothing of the suite {} of {} is held; there is: {}",
                                        suite, part.archive, joined(keys_of(served))));
        for (const auto& [name, generation] : served)
            if (part.suites.empty() || std::count(part.suites.begin(), part.suites.end(), name) > 0)
                suites_.emplace(Place{part.archive, name}, generation);
        if (served.empty())
            return fail(Errc::not_found, "no suite of " + part.archive + " is held");
        return {};
    }

    void add_release(const Place& place, const catalog::Generation& generation)
    {
        const auto& [archive, suite] = place;
        plan_.manifest.releases.push_back({archive, suite, generation.id(), generation.date()});
        const catalog::ReleaseFiles& files = generation.files();
        for (const auto& [file, text] :
             {std::pair("InRelease", &files.inrelease), std::pair("Release", &files.release),
              std::pair("Release.gpg", &files.release_gpg)}) {
            if (text->empty())
                continue;
            const std::string name = release_name(generation.id(), file);
            members_[name] = {name, crypto::digest_of(*text), std::nullopt, suite + "/" + file};
            plan_.texts[name] = *text;
        }
    }

    // Every form of an index that is held; what clients use and is not held is missing.
    Result<void> add_indexes(const Place& place, const catalog::Generation& generation)
    {
        const auto& [archive, suite] = place;
        for (const auto& [path, file] : generation.release().files)
            TRY_VOID(add_held(archive, file.digests.front(), suite + "/" + path));
        const auto state = held_.suites.find(place);
        if (state == held_.suites.end())
            return {};
        for (const std::string& path : state->second.used) {
            const deb::ListedFile* file = generation.release().find(path);
            if (file != nullptr && !may_give(archive, file->digests.front()))
                missing_.insert(suite + "/" + path);
        }
        return {};
    }

    Result<void> add_everything(const Place& place, const catalog::Generation& generation)
    {
        Result<void> added;
        for (const auto& [base, table] : generation.tables())
            TRY_VOID(table->each([&](std::string_view path, const Digest& digest) {
                if (added)
                    added = add_held(place.first, digest, std::string(path));
            }));
        return added;
    }

    // What is held for another archive's credentials is not this one's to give.
    bool may_give(const std::string& archive, const Digest& digest) const
    {
        return blobs_.holds(digest) && marks_.may_give(digest, archive);
    }

    // What a release lists and is not there any more, or is another one by now, is missing.
    Result<void> add_file(const Request::File& file)
    {
        const auto suite = suites_.find({file.archive, file.suite});
        if (suite != suites_.end()) {
            TRY(const auto digest, suite->second->find_pool(file.path));
            if (digest && may_give(file.archive, *digest))
                return add_held(file.archive, *digest, file.path);
        }
        missing_.insert(file.path);
        return {};
    }

    Result<void> add_held(const std::string& archive, const Digest& digest, const std::string& path)
    {
        if (!may_give(archive, digest))
            return {};
        Member member{"", digest, std::nullopt, path};
        if (digest.algorithm == HashAlgorithm::sha512) {
            member.sha512 = digest;
            TRY(member.digest, sha256_of(digest));
        }
        member.name = blob_name(member.digest);
        Member& known = members_.try_emplace(member.name, member).first->second;
        if (member.sha512)
            known.sha512 = member.sha512;
        // Marked is what came for credentials only: else whoever signs another archive of this
        // bundle would have it where it is imported.
        const bool is_marked = !marks_.may_give(digest, "");
        if (is_marked && (known.archives.empty() || !known.is_for(archive)))
            known.archives.push_back(archive);
        return {};
    }

    Result<Digest> sha256_of(const Digest& digest) const
    {
        TRY(const Fd file, blobs_.read(digest));
        crypto::Hasher hasher;
        std::string piece;
        while (hasher.size_bytes() < digest.size_bytes) {
            piece.resize(
                std::min<std::uint64_t>(kPieceBytes, digest.size_bytes - hasher.size_bytes()));
            TRY_VOID(read_all_at(file.get(), piece, hasher.size_bytes()));
            hasher.update(piece);
        }
        return hasher.digest();
    }

    std::string purpose() const
    {
        std::vector<std::string> places;
        for (const auto& [place, generation] : suites_)
            places.push_back(place.first + " " + place.second);
        return joined(places) + ": " + contents();
    }

    std::string contents() const
    {
        const std::vector<std::string>& packages = request_.brought;
        if (!request_.whom.empty())
            return request_.whom;
        if (!request_.files)
            return "all that was held";
        if (packages.empty())
            return "none of the packages that were asked for";
        return packages.size() > kMostNamed ? fmt::format("{} packages", packages.size())
                                            : joined(packages);
    }

    const catalog::Held& held_;
    const store::Blobs& blobs_;
    const store::PrivateMarks& marks_;
    const Request& request_;
    std::map<Place, catalog::GenerationPtr> suites_;
    std::map<std::string, Member> members_;
    std::set<std::string> missing_;
    Plan plan_;
};

}  // namespace

Result<Plan> plan(const catalog::Held& held, const store::Blobs& blobs,
                  const store::PrivateMarks& marks, const Request& request)
{
    return Planner(held, blobs, marks, request).make();
}

}  // namespace aptward::bundle
