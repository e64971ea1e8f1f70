// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/bundle_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "archive/bundle_places.h"
#include "archive/handed_in.h"
#include "base/file.h"
#include "base/text.h"
#include "bundle/bundle.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;
using Outcome = Offered::Outcome;
using ArchivePtr = std::shared_ptr<Archive>;

constexpr std::chrono::milliseconds kTellEvery{200};

/// What was asked for.
struct Options {
    std::string file;
    std::vector<std::string> signers;
    Packages packages = Packages::stored;
};

Result<Options> read_options(const std::string& text)
{
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object())
        return fail(Errc::malformed, "the job does not say which file to import");
    return Options{json.value("file", ""), json.value("signed-by", std::vector<std::string>()),
                   json.value("shelved", false) ? Packages::shelved : Packages::stored};
}

/// One import.
class Import {
public:
    Import(Services& services, const ServedArchives& served, const RoomSettings& room,
           Jobs::Run& run)
        : services_(services), served_(served), run_(run), room_(services, room), batch_(services)
    {
    }

    Result<Jobs::End> work()
    {
        const auto checked = check();
        if (!run_.goes_on())
            return Jobs::End{false, "told to stop before anything was changed"};
        if (!checked)
            return fail(checked.error().code(),
                        checked.error().message() + "; nothing was imported");
        const auto taken = take_in();
        if (!run_.goes_on())
            return Jobs::End{false, "told to stop; what was stored so far is proven and stays"};
        if (!taken)
            return fail(taken.error().code(), file_ + ": " + taken.error().message() +
                                                  "; what was stored so far is proven and stays, "
                                                  "the same import does the rest");
        tell_all();
        return Jobs::End{true, sentence()};
    }

private:
    // Nothing is changed here.
    Result<void> check()
    {
        TRY(const Options options, read_options(run_.record().options));
        TRY(auto opened, bundle::Reader::open(options.file));
        reader_ = std::make_shared<bundle::Reader>(std::move(opened));
        file_ = options.file;
        packages_ = options.packages;
        auto right = check_opened(options);
        if (!right)
            return tl::unexpected<Error>(std::move(right).error().within(file_));
        return {};
    }

    Result<void> check_opened(const Options& options)
    {
        TRY_VOID(bundle::check_time(reader_->heading(), system_now()));
        TRY_VOID(bundle::check_signer(*reader_, options.signers));
        TRY(incoming_, find_places(reader_->manifest().releases, served_()));
        total_ = reader_->stream_bytes();
        if (packages_ == Packages::stored)
            total_ += reader_->manifest().total_bytes();
        TRY_VOID(reader_->verify([this](std::uint64_t done, std::uint64_t) {
            done_ = done;
            tell();
            return run_.goes_on();
        }));
        for (std::size_t i = 0; i < members().size(); ++i) {
            numbers_[members()[i].digest] = i;
            if (members()[i].sha512)
                numbers_[*members()[i].sha512] = i;
        }
        for (Incoming& incoming : incoming_)
            TRY_VOID(assess(incoming));
        TRY_VOID(settle_places(incoming_));
        return check_room();
    }

    Result<void> assess(Incoming& incoming)
    {
        TRY(incoming.files, reader_->files_of(incoming.release));
        TRY_VOID(archive::assess(services_, run_, incoming, origin()));
        if (is_refused(incoming))
            return {};
        TRY(const deb::Release release, read_release(incoming.files));
        for (const auto& [path, file] : release.files)
            if (find(file.digests.front(), incoming.archive->settings()))
                incoming.indexes.push_back(path);
        return {};
    }

    // A full disk would end it in the middle, and of what a quota does not allow most would go.
    Result<void> check_room()
    {
        const bool is_stored = packages_ == Packages::stored ||
                               std::any_of(incoming_.begin(), incoming_.end(), is_private);
        std::uint64_t wanted = 0;
        for (const bundle::Member& member : members())
            if (is_stored && !services_.blobs.holds(member.digest))
                wanted += member.digest.size_bytes;
        if (wanted == 0)
            return {};
        TRY_VOID(room_.look([this] { return run_.goes_on(); }));
        auto has_room = room_.check(wanted);
        if (!has_room)
            return tl::unexpected<Error>(std::move(has_room).error().within("it is too large"));
        return {};
    }

    Result<void> take_in()
    {
        for (Incoming& incoming : incoming_) {
            if (is_refused(incoming)) {
                TRY_VOID(offer(services_, run_, incoming, origin()));  // recorded as any refusal is
                continue;
            }
            TRY_VOID(store_indexes(incoming));
            TRY_VOID(offer(services_, run_, incoming, origin()));
        }
        TRY_VOID(store_what_is_proven());
        if (packages_ == Packages::shelved)
            services_.shelf.put(reader_, std::filesystem::path(file_).filename().string());
        return {};
    }

    // They are listed in a release that the policy accepts, or accepted before.
    Result<void> store_indexes(const Incoming& incoming)
    {
        if (incoming.offered.outcome == Outcome::older)
            return {};  // what of it is still proven is found out later
        TRY(const deb::Release release, read_release(incoming.files));
        for (const std::string& path : incoming.indexes) {
            const std::size_t number = numbers_.at(release.find(path)->digests.front());
            TRY_VOID(store(number, giver_of(number, incoming.archive->settings())));
        }
        return batch_.flush();
    }

    // Whatever a generation names that this node serves, of this bundle's releases or of others.
    Result<void> store_what_is_proven()
    {
        std::vector<ArchivePtr> archives;
        for (const Incoming& incoming : incoming_)
            if (std::find(archives.begin(), archives.end(), incoming.archive) == archives.end())
                archives.push_back(incoming.archive);
        for (const ArchivePtr& archive : archives) {
            TRY(const auto proven, proven_by(*archive));
            for (const std::size_t number : proven)
                TRY_VOID(store_or_shelve(number, archive->settings()));
        }
        return batch_.flush();
    }

    Result<std::set<std::size_t>> proven_by(const Archive& archive) const
    {
        std::set<std::size_t> proven;
        const auto look = [&](const Digest& digest) {
            if (const auto number = find(digest, archive.settings()))
                proven.insert(*number);
        };
        for (const catalog::GenerationPtr& generation : generations_of(*archive.view())) {
            for (const auto& [path, file] : generation->release().files)
                for (const Digest& digest : file.digests)
                    look(digest);
            for (const auto& [base, table] : generation->tables())
                TRY_VOID(
                    table->each([&](std::string_view, const Digest& digest) { look(digest); }));
        }
        return proven;
    }

    // The member with these bytes, if it is for this archive.
    std::optional<std::size_t> find(const Digest& digest, const ArchiveSettings& settings) const
    {
        const auto known = numbers_.find(digest);
        if (known == numbers_.end() || !is_for(members()[known->second], settings))
            return std::nullopt;
        return known->second;
    }

    // An archive may have another id here than in the bundle. One that refuses the release is then
    // none of its: else whoever signs it could list the digest of a private file of another.
    bool is_for(const bundle::Member& member, const ArchiveSettings& settings) const
    {
        return std::any_of(incoming_.begin(), incoming_.end(), [&](const Incoming& incoming) {
            const bool is_its = incoming.release.archive == settings.id || !is_refused(incoming);
            return incoming.archive->settings().id == settings.id && is_its &&
                   member.is_for(incoming.release.archive);
        });
    }

    // Under whose name proven bytes are kept: no mark is put on what a public archive names.
    const ArchiveSettings& giver_of(std::size_t number, const ArchiveSettings& settings)
    {
        if (!settings.is_private)
            return *open_.try_emplace(number, &settings).first->second;
        const auto open = open_.find(number);
        return open == open_.end() ? settings : *open->second;
    }

    // From the shelf a private archive gives nothing away, and nobody what is marked.
    Result<void> store_or_shelve(std::size_t number, const ArchiveSettings& settings)
    {
        const ArchiveSettings& giver = giver_of(number, settings);
        const std::vector<Digest> digests = digests_of(members()[number]);
        const bool may_give = std::all_of(digests.begin(), digests.end(), [&](const Digest& one) {
            return services_.private_marks.may_give(one, giver.id);
        });
        if (packages_ == Packages::stored || settings.is_private || !may_give)
            return store(number, giver);
        if (proven_.insert(number).second) {
            ++shelved_;
            shelved_bytes_ += members()[number].digest.size_bytes;
        }
        return {};
    }

    static std::vector<Digest> digests_of(const bundle::Member& member)
    {
        std::vector<Digest> digests = {member.digest};
        if (member.sha512)
            digests.push_back(*member.sha512);
        return digests;
    }

    // What is held for credentials and comes here for a public archive is no secret any more: as if
    // a source of that archive had sent it.
    Result<void> store(std::size_t number, const ArchiveSettings& giver)
    {
        if (!run_.goes_on())
            return fail(Errc::stale, "it was told to stop");
        if (!taken_[giver.id].insert(number).second)
            return {};
        const bundle::Member& member = members()[number];
        const bool is_first = proven_.insert(number).second;
        if (is_first && packages_ == Packages::stored)
            done_ += member.digest.size_bytes;
        tell();
        std::vector<Digest> digests = digests_of(member);
        const bool is_held = keeping_of(services_, giver, digests) == Keeping::held;
        if (is_first)
            ++(is_held ? held_ : stored_);
        if (is_held)
            return {};
        TRY(Fd staged, services_.blobs.stage());
        TRY_VOID(reader_->read(
            member, [&](std::string_view bytes) { return write_all(staged.get(), bytes); }));
        return batch_.add(giver, std::move(staged), std::move(digests));
    }

    const std::vector<bundle::Member>& members() const { return reader_->manifest().members; }
    std::string origin() const { return "bundle of " + reader_->signer().name(); }

    static bool is_private(const Incoming& incoming)
    {
        return incoming.archive->settings().is_private;
    }

    static bool is_refused(const Incoming& incoming)
    {
        return incoming.offered.outcome == Outcome::refused;
    }

    std::size_t blobs() const
    {
        return static_cast<std::size_t>(
            std::count_if(members().begin(), members().end(), [](const bundle::Member& member) {
                return member.name == bundle::blob_name(member.digest);
            }));
    }

    void tell()
    {
        const SteadyTime now = steady_now();
        if (now - told_ < kTellEvery)
            return;
        told_ = now;
        run_.progress(done_, total_, "", result());
    }

    void tell_all()
    {
        run_.progress(total_, total_, "", result());
        catalog::Event event;
        event.code = "bundle.imported";
        event.archive = incoming_.front().archive->settings().id;
        event.source = origin();
        event.who = run_.record().who;
        event.message = file_ + ": " + sentence();
        event.evidence = reader_->signer().to_string();
        services_.events.add(std::move(event));
    }

    std::string result() const
    {
        Json releases = Json::array();
        for (const Incoming& incoming : incoming_)
            releases.push_back({{"archive", incoming.release.archive},
                                {"suite", incoming.release.suite},
                                {"id", incoming.release.id},
                                {"date", to_unix(incoming.release.date)},
                                {"outcome", to_string(incoming.offered.outcome)},
                                {"code", incoming.offered.verdict.code},
                                {"message", incoming.offered.verdict.message}});
        return Json({{"releases", releases},
                     {"signer", reader_->signer().to_string()},
                     {"stored", stored_},
                     {"bytes", batch_.stored_bytes()},
                     {"held", held_},
                     {"shelved", shelved_},
                     {"unproven", blobs() - proven_.size()}})
            .dump(-1, ' ', false, Json::error_handler_t::replace);
    }

    std::string sentence() const
    {
        std::string text;
        for (const Incoming& incoming : incoming_) {
            const Offered& offered = incoming.offered;
            text += fmt::format("{}: {}", printable(incoming.release.suite),
                                to_string(offered.outcome));
            if (offered.outcome == Outcome::refused || offered.outcome == Outcome::held)
                text += fmt::format(" ({}: {})", offered.verdict.code, offered.verdict.message);
            text += "; ";
        }
        text += fmt::format("{} files stored, {}; {} were held already", stored_,
                            human_size(batch_.stored_bytes()), held_);
        if (shelved_ > 0)
            text += fmt::format("; {}, {}, are read from the bundle when somebody asks for them",
                                shelved_, human_size(shelved_bytes_));
        if (blobs() > proven_.size())
            text += fmt::format("; {} left out, because no release that is served here names them",
                                blobs() - proven_.size());
        return text;
    }

    Services& services_;
    const ServedArchives& served_;
    Jobs::Run& run_;
    Room room_;
    std::string file_;
    Packages packages_ = Packages::stored;
    std::shared_ptr<bundle::Reader> reader_;
    std::vector<Incoming> incoming_;
    std::unordered_map<Digest, std::size_t, DigestHash> numbers_;   // members by every digest
    std::unordered_set<std::size_t> proven_;                        // members
    std::unordered_map<std::size_t, const ArchiveSettings*> open_;  // of these, what is public
    std::map<std::string, std::unordered_set<std::size_t>> taken_;  // stored, by archive
    Batch batch_;
    std::uint64_t stored_ = 0, held_ = 0;
    std::uint64_t shelved_ = 0, shelved_bytes_ = 0;
    std::uint64_t done_ = 0, total_ = 0;
    SteadyTime told_{};
};

Result<std::string> read_request(std::string_view request)
{
    const Json parsed = Json::parse(request, nullptr, false);
    const Json json = parsed.is_object() ? parsed : Json::object();
    const Json file = json.value("file", Json());
    const Json signers = json.value("signed-by", Json::array());
    const Json shelved = json.value("shelved", Json(false));
    const bool is_right = file.is_string() && file.get_ref<const std::string&>().starts_with('/') &&
                          signers.is_array() && shelved.is_boolean() &&
                          std::all_of(signers.begin(), signers.end(),
                                      [](const Json& signer) { return signer.is_string(); });
    if (!is_right)
        return fail(Errc::malformed,
                    "file (an absolute path on the node's machine) is wanted, signed-by (a list of "
                    "keys) and shelved (true or false) may be given");
    return import_options(file.get<std::string>(), signers.get<std::vector<std::string>>(),
                          shelved.get<bool>() ? Packages::shelved : Packages::stored);
}

}  // namespace

std::string import_options(const std::string& file, const std::vector<std::string>& signers,
                           Packages packages)
{
    return Json(
               {{"file", file}, {"signed-by", signers}, {"shelved", packages == Packages::shelved}})
        .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Jobs::Kind make_bundle_import(Services& services, ServedArchives served, RoomSettings room)
{
    Jobs::Kind kind;
    kind.unit = "bytes";
    kind.read_options = read_request;
    kind.work = [&services, served = std::move(served),
                 room = std::move(room)](Jobs::Run& run) -> Result<Jobs::End> {
        return Import(services, served, room, run).work();
    };
    return kind;
}

}  // namespace aptward::archive
