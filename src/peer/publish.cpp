// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/publish.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "archive/unknown_archive.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "deb/deb.h"

namespace aptward::peer {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

struct Chosen {
    Digest digest;
    std::string path;
};

bool is_line(const std::string& text)
{
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c != '\x7f'; });
}

class PublishRun {
public:
    PublishRun(archive::Services& services, const archive::FindArchive& find_archive,
               Torrents& torrents, const std::function<void()>& published, archive::Jobs::Run& run)
        : services_(services),
          find_archive_(find_archive),
          torrents_(torrents),
          published_(published),
          run_(run)
    {
    }

    Result<archive::Jobs::End> work()
    {
        TRY(const PublishRequest request, parse_publish_request(run_.record().options));
        const auto archive = find_archive_(request.archive);
        if (archive == nullptr)
            return fail(Errc::not_found, archive::unknown_archive(request.archive));
        const auto releases = archive->given_releases();
        if (releases.empty())
            return fail(Errc::untrusted,
                        fmt::format("nothing of {} is published: it has no release yet, or it is "
                                    "private, its upstreams want a password, or it is not verify = "
                                    "\"enforce\"",
                                    request.archive));
        TRY(auto chosen, request.path.empty() ? choose(*archive, releases, request.suite)
                                              : choose_one(*archive, releases, request.path));
        Torrent torrent;
        TRY(const bool is_whole, hash(chosen, torrent));
        if (!is_whole)
            return archive::Jobs::End{false, "told to stop; nothing was published"};
        torrent.archive = request.archive;
        torrent.what = request.path.empty() ? "suite " + request.suite : request.path;
        torrent.published = system_now();
        const std::size_t files = chosen.size();
        TRY(const std::string info_hash, torrents_.publish(std::move(torrent)));
        tell(request, info_hash);
        published_();
        const std::string magnet = swarm::magnet_of(info_hash);
        const Json result = {{"info_hash", info_hash},
                             {"magnet", magnet},
                             {"files", files},
                             {"bytes", total_},
                             {"left_out", left_out_}};
        run_.progress(total_, total_, "",
                      result.dump(-1, ' ', false, Json::error_handler_t::replace));
        std::string text =
            fmt::format("{} files, {}, are published as {}", files, human_size(total_), magnet);
        if (left_out_ > 0)
            text +=
                fmt::format("; {} more are not: a torrent has at most {} files and {}", left_out_,
                            swarm::kMostTorrentFiles, human_size(swarm::kMostSharedBytes));
        return archive::Jobs::End{true, std::move(text)};
    }

private:
    void tell(const PublishRequest& request, const std::string& info_hash) const
    {
        catalog::Event event;
        event.code = "swarm.published";
        event.archive = request.archive;
        event.suite = request.suite;
        event.evidence = info_hash;
        event.message = fmt::format("{} is published as {}",
                                    request.path.empty() ? "what is held" : request.path,
                                    swarm::magnet_of(info_hash));
        services_.events.add(std::move(event));
    }

    // Held, and nobody's secret. A name is a SHA-256: what an index lists by SHA-512 alone has
    // none.
    bool may_publish(const archive::Archive& archive, const Digest& digest) const
    {
        return digest.algorithm == HashAlgorithm::sha256 && digest.size_bytes > 0 &&
               digest.size_bytes <= swarm::kMostSharedBytes && archive.may_put_away(digest) &&
               services_.blobs.holds(digest);
    }

    using Releases = std::map<std::string, catalog::GenerationPtr>;

    Result<std::vector<Chosen>> choose_one(const archive::Archive& archive,
                                           const Releases& releases, const std::string& path) const
    {
        for (const auto& [suite, generation] : releases) {
            TRY(const auto digest, generation->find_pool(path));
            if (!digest)
                continue;
            if (!may_publish(archive, *digest))
                return fail(Errc::not_found,
                            fmt::format("{} is not held here, or only for who has credentials: let "
                                        "a client or aptward mirror fetch it first",
                                        printable(path)));
            return std::vector<Chosen>{{*digest, path}};
        }
        return fail(Errc::not_found,
                    fmt::format("no current index of {} lists {}: write it as there, such as "
                                "pool/main/f/foo/foo_1.0_amd64.deb",
                                archive.settings().id, printable(path)));
    }

    Result<std::vector<Chosen>> choose(const archive::Archive& archive, const Releases& releases,
                                       const std::string& suite)
    {
        const auto found = releases.find(suite);
        if (found == releases.end())
            return fail(Errc::not_found, fmt::format("{} gives no release of {}: aptward status "
                                                     "names its suites",
                                                     archive.settings().id, printable(suite)));
        std::vector<Chosen> chosen;
        std::set<Digest> seen;
        for (const auto& [base, table] : found->second->tables())
            TRY_VOID(table->each([&](std::string_view path, const Digest& digest) {
                if (run_.goes_on() && deb::clean_relative_path(path) == path &&
                    is_line(std::string(path)) && may_publish(archive, digest) &&
                    seen.insert(digest).second)
                    chosen.push_back({digest, std::string(path)});
            }));
        if (chosen.empty())
            return fail(Errc::not_found, fmt::format("no package of {} is held here", suite));
        std::sort(chosen.begin(), chosen.end(), [](const Chosen& a, const Chosen& b) {
            return std::tie(b.digest.size_bytes, a.digest) <
                   std::tie(a.digest.size_bytes, b.digest);
        });
        std::vector<Chosen> fitting;
        std::uint64_t total = 0;
        for (Chosen& one : chosen) {
            const bool fits = fitting.size() < swarm::kMostTorrentFiles &&
                              one.digest.size_bytes <= swarm::kMostSharedBytes - total;
            left_out_ += fits ? 0 : 1;
            if (!fits)
                continue;
            total += one.digest.size_bytes;
            fitting.push_back(std::move(one));
        }
        return fitting;
    }

    // False: it was told to stop.
    Result<bool> hash(std::vector<Chosen>& chosen, Torrent& torrent)
    {
        std::sort(chosen.begin(), chosen.end(),
                  [](const Chosen& a, const Chosen& b) { return a.digest.hash < b.digest.hash; });
        for (const Chosen& one : chosen)
            total_ += one.digest.size_bytes;
        const std::uint32_t piece_bytes = swarm::piece_bytes_for(total_);
        for (const Chosen& one : chosen) {
            TRY(auto file, hash(one.digest, piece_bytes));
            if (!run_.goes_on())
                return false;
            torrent.metainfo.files.push_back(std::move(file));
            torrent.paths.push_back(one.path);
        }
        return true;
    }

    // Hashed once more as a whole: what the disk has spoilt is not published.
    Result<swarm::SharedFile> hash(const Digest& digest, std::uint32_t piece_bytes)
    {
        TRY(const Fd blob, services_.blobs.read(digest));
        swarm::PieceHasher pieces(piece_bytes);
        crypto::Hasher whole;
        std::string buffer(kReadBytes, '\0');
        for (std::uint64_t at = 0; at < digest.size_bytes && run_.goes_on();) {
            const auto count = static_cast<std::size_t>(
                std::min<std::uint64_t>(kReadBytes, digest.size_bytes - at));
            TRY_VOID(read_all_at(blob.get(), std::span(buffer.data(), count), at));
            pieces.update(std::string_view(buffer).substr(0, count));
            whole.update(std::string_view(buffer).substr(0, count));
            at += count;
            done_ += count;
            run_.progress(done_, total_, "", "");
        }
        if (run_.goes_on() && whole.digest() != digest) {
            TRY_VOID(services_.blobs.recheck(digest));
            return fail(
                Errc::storage,
                fmt::format("the held file {} is damaged on the disk: aptward scrub fetches "
                            "it again; nothing was published",
                            digest.hex()));
        }
        return std::move(pieces).finish(digest);
    }

    archive::Services& services_;
    const archive::FindArchive& find_archive_;
    Torrents& torrents_;
    const std::function<void()>& published_;
    archive::Jobs::Run& run_;
    std::uint64_t total_ = 0, done_ = 0, left_out_ = 0;
};

}  // namespace

Result<PublishRequest> parse_publish_request(std::string_view text)
{
    const Json json = Json::parse(text, nullptr, false);
    const auto read = [&](const char* key) {
        const auto found = json.is_object() ? json.find(key) : json.end();
        return found != json.end() && found->is_string() ? found->get<std::string>()
                                                         : std::string();
    };
    const PublishRequest request{read("archive"), read("path"), read("suite")};
    const bool is_clean =
        request.path.empty() ||
        (is_line(request.path) && deb::clean_relative_path(request.path) == request.path);
    const bool is_one = request.path.empty() != request.suite.empty();
    if (!is_line(request.archive) || !is_one || !is_clean ||
        (!request.suite.empty() && !is_line(request.suite)))
        return fail(Errc::malformed,
                    "an archive, and a path as an index lists it or a suite, are wanted; send "
                    "{\"kind\": \"publish\", \"archive\": ID, \"path\": PATH}");
    return request;
}

std::string to_json(const PublishRequest& request)
{
    Json json = {{"kind", kPublish}, {"archive", request.archive}};
    if (!request.path.empty())
        json["path"] = request.path;
    if (!request.suite.empty())
        json["suite"] = request.suite;
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

archive::Jobs::Kind make_publish(archive::Services& services, archive::FindArchive find_archive,
                                 Torrents& torrents, std::function<void()> published)
{
    archive::Jobs::Kind kind;
    kind.unit = "bytes";
    kind.is_resumable = true;
    kind.is_background = true;
    kind.read_options = [](std::string_view request) -> Result<std::string> {
        TRY(const PublishRequest read, parse_publish_request(request));
        return to_json(read);
    };
    kind.work = [&services, find_archive = std::move(find_archive), &torrents,
                 published = std::move(published)](archive::Jobs::Run& run) {
        return PublishRun(services, find_archive, torrents, published, run).work();
    };
    return kind;
}

}  // namespace aptward::peer
