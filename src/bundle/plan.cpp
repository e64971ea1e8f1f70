// SPDX-License-Identifier: GPL-3.0-or-later
// What goes into a bundle: decided from what is held, before a byte is written.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bundle/bundle.h"
#include "bundle/closure.h"
#include "crypto/crypto.h"

namespace aptward::bundle {
namespace {

constexpr std::uint64_t kLargestIndex = 4ULL << 30;  // guess: Debian's largest Contents is 0.8 GB
constexpr std::uint64_t kMostExpansion = 64;
constexpr std::size_t kMostNamed = 5;  // packages, in one line for people

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

class Planner {
public:
    Planner(const catalog::Held& held, const store::Blobs& blobs, const store::PrivateMarks& marks,
            const Request& request)
        : held_(held), blobs_(blobs), marks_(marks), request_(request)
    {
    }

    Result<Plan> make()
    {
        TRY_VOID(choose_suites());
        for (const auto& [suite, generation] : suites_) {
            add_release(suite, *generation);
            TRY_VOID(add_indexes(suite, *generation));
            if (request_.packages.empty())
                TRY_VOID(add_everything(*generation));
        }
        if (!request_.packages.empty())
            TRY_VOID(add_packages());
        plan_.manifest.packages = request_.packages;
        for (auto& [name, member] : members_)
            plan_.manifest.members.push_back(std::move(member));
        plan_.manifest.missing.assign(missing_.begin(), missing_.end());
        plan_.purpose = purpose();
        return std::move(plan_);
    }

private:
    Result<void> choose_suites()
    {
        const auto archive = held_.archives.find(request_.archive);
        if (archive == held_.archives.end())
            return fail(Errc::not_found,
                        fmt::format("nothing of an archive {} is held; there is: {}",
                                    request_.archive, joined(keys_of(held_.archives))));
        std::map<std::string, catalog::GenerationPtr> served;
        for (const auto& [name, view] : archive->second.suites)
            if (view.current)
                served.emplace(name, view.current);
        for (const std::string& suite : request_.suites)
            if (served.count(suite) == 0)
                return fail(Errc::not_found,
                            fmt::format("nothing of the suite {} of {} is held; there is: {}",
                                        suite, request_.archive, joined(keys_of(served))));
        for (const auto& [name, generation] : served)
            if (request_.suites.empty() ||
                std::count(request_.suites.begin(), request_.suites.end(), name) > 0)
                suites_.emplace(name, generation);
        if (suites_.empty())
            return fail(Errc::not_found, "no suite of " + request_.archive + " is held");
        return {};
    }

    void add_release(const std::string& suite, const catalog::Generation& generation)
    {
        plan_.manifest.releases.push_back(
            {request_.archive, suite, generation.id(), generation.date()});
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
    Result<void> add_indexes(const std::string& suite, const catalog::Generation& generation)
    {
        for (const auto& [path, file] : generation.release().files)
            TRY_VOID(add_held(file.digests.front(), suite + "/" + path));
        const auto state = held_.suites.find({request_.archive, suite});
        if (state == held_.suites.end())
            return {};
        for (const std::string& path : state->second.used) {
            const deb::ListedFile* file = generation.release().find(path);
            if (file != nullptr && !may_give(file->digests.front()))
                missing_.insert(suite + "/" + path);
        }
        return {};
    }

    Result<void> add_everything(const catalog::Generation& generation)
    {
        Result<void> added;
        for (const auto& [base, table] : generation.tables())
            TRY_VOID(table->each([&](std::string_view path, const Digest& digest) {
                if (added)
                    added = add_held(digest, std::string(path));
            }));
        return added;
    }

    // What is held for another archive's credentials is not this one's to give.
    bool may_give(const Digest& digest) const
    {
        return blobs_.holds(digest) && marks_.may_give(digest, request_.archive);
    }

    Result<void> add_held(const Digest& digest, const std::string& path)
    {
        if (!may_give(digest))
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
        return {};
    }

    Result<std::string> bytes_of(const Digest& digest) const
    {
        TRY(const Fd file, blobs_.read(digest));
        std::string bytes(digest.size_bytes, '\0');
        TRY_VOID(read_all_at(file.get(), bytes, 0));
        return bytes;
    }

    Result<Digest> sha256_of(const Digest& digest) const
    {
        TRY(const std::string bytes, bytes_of(digest));
        return crypto::digest_of(bytes);
    }

    /// Packages indexes of the suites that are held, unpacked, by architecture.
    Result<void> read_indexes()
    {
        for (const auto& [suite, generation] : suites_)
            for (const auto& [base, table] : generation->tables()) {
                const deb::IndexName index = deb::classify_index(base);
                if (index.kind != deb::IndexKind::packages)
                    continue;
                TRY(auto text, text_of(*generation, base));
                if (!text)
                    missing_.insert(suite + "/" + base);
                else
                    texts_[index.architecture].push_back({std::move(*text), tables_.size()});
                tables_.push_back(table);
            }
        if (texts_.empty())
            return fail(Errc::not_found,
                        "no index of packages is held: let a client of the node run apt-get "
                        "update first");
        return {};
    }

    Result<std::optional<std::string>> text_of(const catalog::Generation& generation,
                                               const std::string& base) const
    {
        for (const auto& [path, file] : generation.release().files) {
            const Digest& digest = file.digests.front();
            if (deb::without_compression(path) != base || !may_give(digest))
                continue;
            TRY(const std::string packed, bytes_of(digest));
            const auto compression = deb::compression_of(path);
            if (compression == deb::Compression::none)
                return packed;
            const std::uint64_t limit =
                std::min(kLargestIndex, packed.size() * kMostExpansion + (1 << 20));
            TRY(std::string text, deb::decompress(packed, compression, limit));
            return text;
        }
        return std::nullopt;
    }

    // Each architecture for itself, with what is for all of them.
    Result<void> add_packages()
    {
        TRY_VOID(read_indexes());
        std::set<std::string> unknown(request_.packages.begin(), request_.packages.end());
        for (const auto& [architecture, own] : texts_) {
            if (is_for_all(architecture) && texts_.size() > 1)
                continue;
            Closure closure;
            for (const auto& [other, texts] : texts_)
                if (other == architecture || is_for_all(other))
                    for (const auto& [text, origin] : texts)
                        TRY_VOID(closure.add(text, origin));
            const Closure::Outcome outcome = closure.resolve(request_.packages);
            for (const Closure::Chosen& chosen : outcome.chosen)
                TRY_VOID(add_chosen(chosen));
            for (const auto& [package, name] : outcome.unmet)
                missing_.insert(
                    fmt::format("{} (no index that is held has it; {} needs it)", name, package));
            std::erase_if(
                unknown, [&](const std::string& name) { return outcome.unknown.count(name) == 0; });
        }
        for (const std::string& name : unknown)
            missing_.insert(name + " (no index that is held has it)");
        return {};
    }

    static bool is_for_all(const std::string& architecture)
    {
        return architecture.empty() || architecture == "all";
    }

    Result<void> add_chosen(const Closure::Chosen& chosen)
    {
        const std::string path(chosen.path);
        TRY(const auto digest, tables_[chosen.origin]->find(path));
        if (digest && may_give(*digest))
            return add_held(*digest, path);
        missing_.insert(path);
        return {};
    }

    std::string purpose() const
    {
        const std::vector<std::string>& packages = request_.packages;
        return fmt::format("{} {}: {}", request_.archive, joined(keys_of(suites_)),
                           packages.empty() ? "all that was held"
                           : packages.size() > kMostNamed
                               ? fmt::format("{} packages", packages.size())
                               : joined(packages));
    }

    struct Text {
        std::string text;
        std::size_t origin;  // in tables_
    };

    const catalog::Held& held_;
    const store::Blobs& blobs_;
    const store::PrivateMarks& marks_;
    const Request& request_;
    std::map<std::string, catalog::GenerationPtr> suites_;
    std::map<std::string, Member> members_;
    std::set<std::string> missing_;
    std::map<std::string, std::vector<Text>> texts_;  // by architecture
    std::vector<std::shared_ptr<const catalog::Table>> tables_;
    Plan plan_;
};

}  // namespace

Result<Plan> plan(const catalog::Held& held, const store::Blobs& blobs,
                  const store::PrivateMarks& marks, const Request& request)
{
    return Planner(held, blobs, marks, request).make();
}

}  // namespace aptward::bundle
