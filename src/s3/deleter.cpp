// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/deleter.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/text.h"

namespace aptward::s3 {
namespace {

using Method = Requests::Method;
using std::chrono::hours, std::chrono::minutes, std::chrono::seconds;

constexpr const char* kNoticeKey = "aptward-deletes";
constexpr const char* kLeases = "leases/";
constexpr unsigned kParts = 256;       // of the bucket: by the first byte of the hashes
constexpr unsigned kMostPages = 1000;  // of a part: a million objects
constexpr unsigned kLooks = 24;        // within delete-after, at least
constexpr hours kLongestPause{6};
constexpr minutes kTryAgain{10};
constexpr seconds kAskAgain{5};

// Of an object that is a blob; nothing else is ever touched. Its size is what is listed.
std::optional<Digest> blob_of(const Listed& object)
{
    const std::size_t slash = object.key.rfind('/');
    const auto digest = slash == std::string::npos
                            ? std::nullopt
                            : parse_digest(object.key.substr(slash + 1), object.size_bytes);
    if (!digest || digest->algorithm != HashAlgorithm::sha256 || key_of_blob(*digest) != object.key)
        return std::nullopt;
    return digest;
}

std::string prefix_of_part(std::uint8_t part)
{
    return fmt::format("sha256/{:02x}/", part);
}

}  // namespace

seconds within_of(seconds delete_after)
{
    return std::clamp<seconds>(delete_after / 10, seconds(2), seconds(60));
}

// What one look at everything goes by.
struct Deleter::Look {
    TargetPtr target;
    std::uint64_t turn = 0;
    seconds after{0}, within{0};
    bool may_delete = false;
    Leases leases;
    std::uint64_t objects = 0, unneeded_files = 0, unneeded_bytes = 0, due_files = 0, due_bytes = 0,
                  deleted_files = 0, deleted_bytes = 0;

    bool needs(const Digest& digest) const
    {
        return leases.needs_everything || contains(leases.names, digest);
    }
    // What is decided by them now is done before those who publish count on it.
    bool are_leases_fresh() const
    {
        const seconds age = system_now() - leases.read_too;
        return steady_now() < leases.read + within / 2 && age >= seconds(0) && age <= within / 2;
    }
};

Deleter::Deleter(WorkerPool& workers, Requests& requests, const Uploaded& uploaded,
                 const LeaseKeeper& lease, std::filesystem::path state, LeaseKeeper::Tell tell)
    : workers_(workers),
      requests_(requests),
      uploaded_(uploaded),
      lease_(lease),
      file_(state / "blob-service.unneeded"),
      tell_(std::move(tell))
{
}

Moment Deleter::now() const
{
    return {lease_.service_now(), system_now()};
}

http::Async<void> Deleter::keep(TargetPtr target)
{
    const Settings& settings = target->settings;
    report_.after = settings.is_uploaded_to ? settings.delete_after : seconds(0);
    report_.is_dry_run = settings.is_dry_run;
    if (report_.after == seconds(0)) {
        report_ = {};
        next_ = http::kNoDeadline;
        co_return;
    }
    if (steady_now() < next_)
        co_return;
    if (lease_.published_key().empty()) {
        next_ = steady_now() + kAskAgain;
        co_return;
    }
    const std::uint64_t turn = turn_;
    co_await look_at_all(target);
    if (turn != turn_)
        co_return;  // it is due at once
    const seconds longest = report_.why.empty() ? seconds(kLongestPause) : seconds(kTryAgain);
    next_ = steady_now() + std::clamp<seconds>(report_.after / kLooks, seconds(1), longest);
}

http::Async<void> Deleter::look_at_all(TargetPtr target)
{
    if (!std::exchange(is_loaded_, true)) {
        auto load = [this] {
            unneeded_.load(file_);
            return true;
        };
        co_await http::on_worker(workers_, std::move(load));
    }
    const std::string bucket = uploaded_.bucket_id();
    unneeded_.begin(bucket);
    if (std::exchange(known_bucket_, bucket) != bucket)
        known_leases_.clear();
    auto look = std::make_shared<Look>();
    look->target = target;
    look->turn = turn_;
    look->after = target->settings.delete_after;
    look->within = within_of(look->after);
    std::string why;
    if (!target->settings.is_dry_run) {
        why = co_await look_at_notice(look);
    }
    if (why.empty()) {
        co_await read_leases(look);
        why = look->leases.why;
    }
    bool goes_on = why.empty() && look->turn == turn_;
    for (unsigned part = 0; goes_on && part < kParts; ++part) {
        goes_on = co_await look_at_part(look, static_cast<std::uint8_t>(part));
    }
    if (why.empty())
        why = look->leases.why;
    co_await save();
    report_.deleted_files += look->deleted_files;
    report_.deleted_bytes += look->deleted_bytes;
    if (look->turn != turn_)
        co_return;  // the next one tells
    if (why.empty())
        tell_of(*look);
    tell_trouble(std::move(why));
}

// Tells everybody that this node deletes, before it does. Why it may not, if so.
http::Async<std::string> Deleter::look_at_notice(std::shared_ptr<Look> look)
{
    const Target& target = *look->target;
    const auto there =
        co_await requests_.ask(Requests::request_for(target, Method::get, kNoticeKey));
    const auto notice = there.is_good() ? parse_deletion_notice(there.body) : std::nullopt;
    if (!there.is_good() && !there.is_absent())
        co_return "whether somebody deletes cannot be read: " + look_at(there).why;
    if (there.is_good() && !notice)  // a later version may mean more by it
        co_return fmt::format(
            "{} cannot be read; if no node of a later version puts it there, "
            "delete it there",
            kNoticeKey);
    if (look->turn != turn_)
        co_return "";
    if (!notice || notice->within < look->within) {
        const DeletionNotice ours{look->within};
        const auto put =
            co_await requests_.ask(Requests::put_request(target, kNoticeKey, to_text(ours)));
        const Finding taken = look_at_put(put);
        co_return taken.why;  // what others have read of it is too old: it is waited for once more
    }
    look->may_delete = there.modified && lease_.service_now() - *there.modified >= look->after;
    co_return "";
}

http::Task<std::set<std::string>> Deleter::list_leases(TargetPtr target)
{
    std::set<std::string> keys;
    std::string after;
    for (bool is_cut = true; is_cut;) {
        auto page = co_await requests_.list(target, kLeases, after);
        if (!page)
            co_return fail(page.error().code(), page.error().message());
        for (Listed& one : page->objects) {
            after = one.key;
            keys.insert(std::move(one.key));
        }
        is_cut = page->is_cut;
        if (keys.size() > kMostLeases)
            co_return fail(Errc::unavailable, "there are more than 1000 leases");
    }
    co_return keys;
}

http::Async<void> Deleter::read_leases(std::shared_ptr<Look> look)
{
    look->leases = {};
    look->leases.read = steady_now();
    look->leases.read_too = system_now();
    const auto listed = co_await list_leases(look->target);
    if (!listed) {
        look->leases.why = "the leases cannot be listed (the key needs s3:ListBucket): " +
                           listed.error().message();
        co_return;
    }
    if (look->turn != turn_)
        co_return;
    known_leases_.insert(listed->begin(), listed->end());
    known_leases_.insert(lease_.published_key());
    if (known_leases_.size() > kMostLeases) {
        look->leases.why = "there are more than 1000 leases";
        co_return;
    }
    const std::set<std::string> keys = known_leases_;
    for (const std::string& key : keys) {
        co_await read_lease(look, key);
        if (!look->leases.why.empty() || look->turn != turn_)
            co_return;
        if (!look->are_leases_fresh()) {
            look->leases.why = "the leases take too long to read";
            co_return;
        }
    }
}

http::Async<void> Deleter::read_lease(std::shared_ptr<Look> look, std::string key)
{
    const Target& target = *look->target;
    Leases& leases = look->leases;
    auto answer = co_await requests_.ask(Requests::request_for(target, Method::get, key),
                                         kMostLeaseBytes + 1, look->within);
    const bool is_own = key == lease_.published_key();
    if (answer.is_absent()) {  // never a 403: who may list is told 404 of what is not there
        known_leases_.erase(key);
        if (is_own)
            leases.why = "this node's own lease is not there";
        co_return;
    }
    if (!answer.is_good()) {
        const std::string why = look_at(answer).why;
        leases.why = fmt::format("{} cannot be read: {}", printable(key), why);
        co_return;
    }
    auto parse = [body = std::move(answer.body)] { return parse_lease(body); };
    auto lease = co_await http::on_worker(workers_, std::move(parse));
    const seconds valid = lease ? lease->valid : seconds(kLongestValid);
    if (!is_own && answer.modified && lease_.service_now() - *answer.modified > valid) {
        ++leases.expired;
        co_return;
    }
    if (!lease) {
        leases.why = fmt::format("{} cannot be read: {}; if no node writes it, delete it there",
                                 printable(key), lease.error().message());
        co_return;
    }
    ++leases.count;
    leases.needs_everything = leases.needs_everything || lease->needs_everything;
    if (leases.needs_everything) {
        leases.names = {};
        co_return;
    }
    auto merge = [mine = std::move(leases.names), more = std::move(lease->names)] {
        ShortNames all;
        all.reserve(mine.size() + more.size());
        std::set_union(mine.begin(), mine.end(), more.begin(), more.end(), std::back_inserter(all));
        return all;
    };
    auto all = co_await http::on_worker(workers_, std::move(merge));
    leases.names = std::move(all);
    if (leases.names.size() > 4 * kMostNames) {
        leases.needs_everything = true;
        leases.names = {};
    }
}

// False where nothing more can be looked at.
http::Async<bool> Deleter::look_at_part(std::shared_ptr<Look> look, std::uint8_t part)
{
    Unneeded::Part unneeded;
    std::vector<Found> found;
    std::string after;
    unsigned pages = 0;
    for (bool is_cut = true; is_cut;) {
        auto page = co_await requests_.list(look->target, prefix_of_part(part), after);
        if (!page || ++pages > kMostPages) {
            look->leases.why =
                "what is there cannot be listed: " +
                (page ? std::string("there is too much of it") : page.error().message());
            co_return false;
        }
        for (const Listed& object : page->objects) {
            after = object.key;
            const auto digest = blob_of(object);
            if (!digest)
                continue;
            ++look->objects;
            if (look->needs(*digest))
                continue;
            ++look->unneeded_files;
            look->unneeded_bytes += digest->size_bytes;
            if (found.size() >= kMostUnneeded)
                continue;
            unneeded[unneeded_key(*digest)] = {digest->size_bytes, now()};
            found.push_back({*digest, object.key, object.modified});
        }
        is_cut = page->is_cut;
    }
    if (look->turn != turn_)
        co_return false;
    unneeded_.replace_part(part, std::move(unneeded));
    const Moment present = now();
    std::erase_if(found, [&](const Found& one) {
        const Unneeded::Object* known = unneeded_.find(unneeded_key(one.digest));
        return known == nullptr || age(known->since, present) < look->after ||
               present.service - one.modified < look->after;
    });
    for (const Found& one : found) {
        ++look->due_files;
        look->due_bytes += one.digest.size_bytes;
    }
    if (found.empty() || !look->may_delete)
        co_return true;
    co_return co_await remove_due(look, std::move(found));
}

http::Async<bool> Deleter::remove_due(std::shared_ptr<Look> look, std::vector<Found> due)
{
    for (const Found& one : due) {
        if (!look->are_leases_fresh()) {
            co_await read_leases(look);
        }
        if (!look->leases.why.empty() || look->turn != turn_)
            co_return false;
        if (look->needs(one.digest)) {
            unneeded_.forget(unneeded_key(one.digest));
            continue;
        }
        const auto answer =
            co_await requests_.ask(Requests::request_for(*look->target, Method::remove, one.key),
                                   kMostErrorBytes, look->within / 2);
        if (!answer.is_good() && !answer.is_absent()) {
            const std::string why = look_at(answer).why;
            look->leases.why =
                fmt::format("{}{}",
                            is_not_allowed(answer) ? "nothing may be deleted (the key needs "
                                                     "s3:DeleteObject): "
                                                   : "nothing can be deleted: ",
                            why);
            co_return false;
        }
        unneeded_.forget(unneeded_key(one.digest));
        ++look->deleted_files;
        look->deleted_bytes += one.digest.size_bytes;
    }
    co_return true;
}

// A copy, as it may be changed while it is written.
http::Async<void> Deleter::save()
{
    auto job = [this, copy = unneeded_] { return copy.save(file_); };
    const auto saved = co_await http::on_worker(workers_, std::move(job));
    if (!saved)
        tell_trouble(saved.error().message());
}

void Deleter::tell_of(const Look& look)
{
    report_.looked_at = system_now();
    report_.leases = look.leases.count;
    report_.expired_leases = look.leases.expired;
    report_.objects = look.objects - look.deleted_files;
    report_.unneeded_files = look.unneeded_files - look.deleted_files;
    report_.unneeded_bytes = look.unneeded_bytes - look.deleted_bytes;
    report_.due_files = look.due_files - look.deleted_files;
    report_.due_bytes = look.due_bytes - look.deleted_bytes;
    const std::string since = human_seconds(look.after.count());
    if (look.deleted_files > 0)
        tell_("s3.deleted", fmt::format("{} files ({}) that no node had needed for {} were deleted",
                                        look.deleted_files, human_size(look.deleted_bytes), since));
    const std::uint64_t due = report_.is_dry_run ? report_.due_files : 0;
    if (due > told_due_)
        tell_("s3.would-delete",
              fmt::format("{} files ({}) that no node has needed for {} would be deleted", due,
                          human_size(report_.due_bytes), since));
    told_due_ = due;
}

void Deleter::tell_trouble(std::string why)
{
    if (!why.empty() && why != report_.why)
        tell_("s3.not-deleting", why);
    report_.why = std::move(why);
}

}  // namespace aptward::s3
