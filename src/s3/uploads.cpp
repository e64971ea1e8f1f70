// SPDX-License-Identifier: GPL-3.0-or-later
// Write-behind: what came from elsewhere is put into the bucket in the background.
//
// What waits is not kept over a restart: it is what is held, other nodes may have, and the service
// is not known to have, and so is found again by a look at everything held. A crash at any moment
// costs one question more for a file, and leaves no half of one: a put is taken whole or not at
// all, and the service checks it against the digest.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "base/text.h"
#include "catalog/table.h"
#include "s3/least.h"
#include "s3/service.h"

namespace aptward::s3 {
namespace {

using Method = Requests::Method;

constexpr std::size_t kUploadsAtOnce = 4;  // the round trips of small files; guess
constexpr unsigned kMostTries = 3;
constexpr std::chrono::minutes kLookAtHeldEvery{10};
constexpr std::size_t kMostHeld = 50'000;  // looked at together: 9 MB; guess
// Of those that are believed to be there: a million within three months; guess.
constexpr std::size_t kBelievedAtOnce = 500;
constexpr std::chrono::hours kBelievedEvery{1};
constexpr const char* kTryKey = "aptward-try";  // an object that shows whether it takes anything
constexpr std::uint64_t kNever = ~std::uint64_t{0};  // is stored

// One of so many, while it lives.
struct Counted {
    explicit Counted(std::atomic<std::size_t>& those) : count(those) { ++count; }
    ~Counted() { --count; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    std::atomic<std::size_t>& count;
};

}  // namespace

bool UploadQueue::add(Entry entry)
{
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= kMostWaiting && waiting_.count(entry.digest) == 0)
        return false;
    if (waiting_.insert(entry.digest).second)
        entries_.push_back(std::move(entry));
    return true;
}

std::optional<UploadQueue::Entry> UploadQueue::take()
{
    const std::lock_guard lock(mutex_);
    if (entries_.empty())
        return std::nullopt;
    Entry entry = std::move(entries_.front());
    entries_.pop_front();
    waiting_.erase(entry.digest);
    return entry;
}

std::size_t UploadQueue::size() const
{
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

void UploadQueue::clear()
{
    const std::lock_guard lock(mutex_);
    entries_.clear();
    waiting_.clear();
}

void Service::note_stored(const std::vector<Digest>& digests, const std::string& archive)
{
    const TargetPtr target = target_.load();
    if (target == nullptr || !target->settings.is_uploaded_to)
        return;
    for (const Digest& digest : digests) {
        UploadQueue::Entry entry{digest, archive};
        if (!may_upload(entry))
            continue;
        if (uploaded_.has(digest))  // and yet it had to be fetched
            entry.why = UploadQueue::Why::is_believed;
        if (take_spoilt(digest))
            entry.why = UploadQueue::Why::was_spoilt;
        if (!queue_.add(std::move(entry)))
            must_look_ = true;
        waker_.wake();
    }
}

// An archive that needs credentials, or proves nothing, has no say.
bool Service::may_upload(const UploadQueue::Entry& entry) const
{
    if (entry.digest.algorithm != HashAlgorithm::sha256 || entry.digest.size_bytes == 0 ||
        entry.digest.size_bytes > kMostUploadedBytes)
        return false;
    const auto archive = front_.find_archive(entry.archive);
    return archive != nullptr && archive->may_put_away(entry.digest);
}

// What a look at everything held is to find.
struct Service::Asking {
    Digest held_after, believed_after;
    bool wants_believed = false;
    std::set<Digest> passed_by;
};

// What it found.
struct Service::Held {
    std::vector<UploadQueue::Entry> entries;
    std::optional<Digest> held_up_to;  // there are more after it
    Digest believed_up_to{};
};

http::Async<void> Service::look_at_held()
{
    const std::uint64_t stored = services_.blobs.stored_bytes();
    const bool is_due = stored != looked_at_ && steady_now() >= look_again_;
    const bool is_believed_due = steady_now() >= look_at_believed_;
    if (!must_look_ && !is_due && !is_believed_due)
        co_return;
    if (queue_.size() > 0)
        co_return;  // there is enough to do
    must_look_ = false;
    looked_at_ = stored;
    look_again_ = steady_now() + kLookAtHeldEvery;
    Asking asking{held_after_, believed_after_, is_believed_due, left_alone_};
    for (const auto& [digest, archive] : unsettled_)
        asking.passed_by.insert(digest);
    auto job = [this, asking = std::move(asking)] { return find_held(asking); };
    const auto found = co_await http::on_worker(services_.workers, std::move(job));
    if (is_believed_due) {
        look_at_believed_ = steady_now() + kBelievedEvery;
        believed_after_ = found.believed_up_to;
    }
    held_after_ = found.held_up_to.value_or(Digest());
    if (found.held_up_to)
        must_look_ = true;
    for (const UploadQueue::Entry& entry : found.entries)
        if (!queue_.add(entry))
            must_look_ = true;
    looked_at_held_ = system_now();
}

// What is held, listed by what other nodes are given, and not known to be there; and some of what
// is believed to be there. In bounded memory: what is beyond that has its turn at the next look. A
// worker; a stop ends it.
Service::Held Service::find_held(const Asking& asking) const
{
    Held found;
    Least unknown(kMostHeld), believed(kBelievedAtOnce);
    const auto walked = services_.blobs.each([&](const store::Blobs::Entry& entry) {
        const Digest& digest = entry.digest;
        if (digest.algorithm == HashAlgorithm::sha256) {
            const bool is_known = uploaded_.has(digest);
            if (is_known && asking.wants_believed && asking.believed_after < digest)
                believed.add(digest);
            if (!is_known && asking.held_after < digest && asking.passed_by.count(digest) == 0)
                unknown.add(digest);
        }
        return !is_stopped_;
    });
    if (!walked)
        return found;  // a disk that cannot be read is told by who needs it
    std::vector<Digest> held = unknown.take();
    if (unknown.is_cut())
        found.held_up_to = held.back();
    const std::vector<Digest> again = believed.take();
    if (believed.is_cut())
        found.believed_up_to = again.back();
    held.insert(held.end(), again.begin(), again.end());
    std::sort(held.begin(), held.end());
    std::vector<bool> is_taken(held.size());
    const auto consider = [&](const Digest& digest, const std::string& archive) {
        const auto place = std::lower_bound(held.begin(), held.end(), digest);
        if (place == held.end() || *place != digest)
            return;
        auto taken = is_taken.begin() + (place - held.begin());
        UploadQueue::Entry entry{digest, archive};
        if (*taken || !may_upload(entry))
            return;
        if (std::binary_search(again.begin(), again.end(), digest))
            entry.why = UploadQueue::Why::is_believed;
        *taken = true;
        found.entries.push_back(std::move(entry));
    };
    const auto routes = front_.routes();
    if (routes == nullptr || held.empty())
        return found;
    for (const auto& archive : routes->archives) {
        const std::string& id = archive->settings().id;
        for (const auto& [suite, generation] : archive->given_releases())
            for (const auto& [path, file] : generation->release().files)
                consider(file.digests.front(), id);
        for (const auto& given : archive->given_tables()) {
            if (is_stopped_)
                return found;
            // One that cannot be read is built again, and has its turn then.
            static_cast<void>(given.table->each(
                [&](std::string_view, const Digest& digest) { consider(digest, id); }));
        }
    }
    return found;
}

/// What a few coroutines do together.
struct Service::Upload {
    TargetPtr target;
    std::shared_ptr<http::Signal> done;
    std::size_t running = 0;
    Uploading state = Uploading::goes_on;
};

http::Async<void> Service::upload_waiting(TargetPtr target)
{
    auto upload = std::make_shared<Upload>();
    upload->target = target;
    upload->done = co_await http::make_signal();
    // One at a time where the rate is bounded.
    const bool is_bounded = target->settings.upload_rate_bytes_per_s > 0;
    upload->running = std::min(is_bounded ? 1 : kUploadsAtOnce, queue_.size());
    for (std::size_t i = upload->running; i > 0; --i)
        http::spawn(services_.control, "uploading", upload_some(upload));
    while (upload->running > 0) {
        co_await upload->done->wait_until(http::kNoDeadline);
    }
}

http::Async<void> Service::upload_some(std::shared_ptr<Upload> upload)
{
    try {
        co_await upload_until_empty(upload);
    } catch (const std::bad_alloc&) {  // R11: it is tried again later
        upload->state = Uploading::pauses;
        must_look_ = true;
    }
    --upload->running;
    upload->done->notify();
}

http::Async<void> Service::upload_until_empty(std::shared_ptr<Upload> upload)
{
    while (upload->state == Uploading::goes_on && upload->target == target_.load()) {
        const Counted counted(uploading_);  // before it is taken: it is never unseen
        auto entry = queue_.take();
        if (!entry)
            break;
        const Outcome came = co_await upload_one(upload->target, *entry);
        if (came.finding.health == Health::good)
            continue;
        const bool is_its_fault = co_await is_the_files_fault(upload->target, came);
        if (!is_its_fault) {
            upload->state = Uploading::pauses;
            note_trouble(came.finding);
        }
        try_later(std::move(*entry), is_its_fault ? came.finding.why : "");
    }
}

// Whether the service takes something else now.
http::Async<bool> Service::is_the_files_fault(TargetPtr target, Outcome outcome)
{
    if (!outcome.may_be_the_files || outcome.finding.health != Health::unreachable)
        co_return false;
    const auto tried = co_await requests_.ask(Requests::put_request(*target, kTryKey, "try\n"));
    co_return tried.is_good();
}

// `why`: of a file that is refused where others are taken.
void Service::try_later(UploadQueue::Entry entry, const std::string& why)
{
    if (++entry.tries < kMostTries) {
        if (!queue_.add(std::move(entry)))
            must_look_ = true;
        return;
    }
    looked_at_ = kNever;  // the others shall have their turn; it is found again later
    if (why.empty() || left_alone_.size() >= kMostWaiting)
        return;
    left_alone_.insert(entry.digest);
    tell("s3.left-alone",
         fmt::format("it never takes {} ({}), which stays here: {}", entry.digest.hex(),
                     human_size(entry.digest.size_bytes), why));
}

Service::Seen Service::about_to_see(const Digest& digest) const
{
    return {lease_.covers(digest), uploaded_.turn()};
}

// Also what is there already is looked at once: another node may have put it there.
http::Async<Service::Outcome> Service::upload_one(TargetPtr target, UploadQueue::Entry entry)
{
    using Why = UploadQueue::Why;
    const Digest digest = entry.digest;
    if (!may_upload(entry) || left_alone_.count(digest) > 0 ||
        (entry.why == Why::is_new && uploaded_.has(digest)))
        co_return Outcome();
    if (entry.why != Why::was_spoilt) {
        const Seen seen = about_to_see(digest);
        const auto before = co_await requests_.ask(
            Requests::request_for(*target, Method::head, key_of_blob(digest)));
        if (before.is_good() && before.size == digest.size_bytes) {
            if (entry.why == Why::is_new && unsettled_.count(digest) == 0)
                ++found_files_;
            co_await remember(target, std::move(entry), seen);
            co_return Outcome();
        }
        const Finding finding = look_at(before);
        if (!lacks(*target, before) && finding.health != Health::good)
            co_return Outcome{finding, false};
    }
    if (entry.why != Why::is_new) {
        co_await forget(digest);
    }
    co_return co_await put(target, std::move(entry));
}

http::Async<Service::Outcome> Service::put(TargetPtr target, UploadQueue::Entry entry)
{
    const Digest digest = entry.digest;
    auto open = [this, digest]() -> std::shared_ptr<const Fd> {
        const auto held = services_.blobs.look(digest);  // an upload is no use of it
        if (!held)
            return nullptr;
        Fd file(::open(held->path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        return file ? std::make_shared<const Fd>(std::move(file)) : nullptr;
    };
    auto file = co_await http::on_worker(services_.workers, std::move(open));
    if (file == nullptr)
        co_return Outcome();  // it has gone meanwhile
    if (!may_upload(entry) || target != target_.load())
        co_return Outcome();  // it may have become private while the service was asked
    const std::string key = key_of_blob(digest);
    const auto answer =
        co_await requests_.ask(Requests::put_request(*target, key, std::move(file), digest));
    if (are_bytes_refused(answer)) {
        co_return co_await refuse(std::move(entry));
    }
    const Finding taken = look_at_put(answer);
    if (taken.health != Health::good)
        co_return Outcome{taken, true};
    const Seen seen = about_to_see(digest);
    const auto after = co_await requests_.ask(Requests::request_for(*target, Method::head, key));
    const Finding found = look_at(after);
    if (found.health != Health::good && !lacks(*target, after))
        co_return Outcome{found, false};
    if (!after.is_good() || after.size != digest.size_bytes)
        co_return Outcome{{Health::unreachable, "it took a file, and does not have it"}, false};
    co_await remember(target, std::move(entry), seen);
    ++uploaded_files_;
    uploaded_bytes_ += digest.size_bytes;
    co_return Outcome();
}

// It was seen there. It counts as being there if a lease kept it there before it was seen, and has
// since: else it may be going just now, and is looked at again.
http::Async<void> Service::remember(TargetPtr target, UploadQueue::Entry entry, Seen seen)
{
    const Digest digest = entry.digest;
    bool is_added = false;
    if (seen.is_kept && lease_.covers(digest) && target == target_.load()) {
        auto job = [this, digest, turn = seen.turn] { return uploaded_.add(digest, turn); };
        is_added = co_await http::on_worker(services_.workers, std::move(job));
    }
    if (is_added)
        unsettled_.erase(digest);
    if (is_added || target != target_.load())
        co_return;  // of another bucket it says nothing
    if (unsettled_.size() < kMostWaiting)
        unsettled_.emplace(digest, entry.archive);
    if (lease_.covers(digest)) {  // by now
        if (queue_.add(UploadQueue::Entry{digest, entry.archive}))
            co_return;
        unsettled_.erase(digest);
        must_look_ = true;
    } else if (lease_.want(digest)) {
        waker_.wake();
    }
}

void Service::look_again_at_unsettled()
{
    if (unsettled_.size() >= kMostWaiting)
        must_look_ = true;  // there were more
    for (auto one = unsettled_.begin(); one != unsettled_.end();) {
        const bool is_next =
            lease_.covers(one->first) && queue_.add(UploadQueue::Entry{one->first, one->second});
        one = is_next ? unsettled_.erase(one) : std::next(one);
    }
    waker_.wake();
}

http::Async<void> Service::forget(Digest digest)
{
    auto job = [this, digest] {
        uploaded_.forget(digest);
        return true;
    };
    co_await http::on_worker(services_.workers, std::move(job));
}

// The service has counted other bytes than the digest says: ours may be damaged.
http::Async<Service::Outcome> Service::refuse(UploadQueue::Entry entry)
{
    tell("s3.refused", fmt::format("it says that the bytes of {} are others; what is held is "
                                   "checked, and set aside if it is damaged",
                                   entry.digest.hex()));
    auto check = [this, digest = entry.digest] { return services_.blobs.recheck(digest); };
    const auto checked = co_await http::on_worker(services_.workers, std::move(check));
    if (!checked)
        tell("store.failed", checked.error().message());
    if (checked && services_.blobs.holds(entry.digest))
        co_return Outcome{{Health::unreachable, "it takes right bytes for others"}, true};
    co_return Outcome();
}

}  // namespace aptward::s3
