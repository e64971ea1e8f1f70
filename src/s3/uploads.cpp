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

#include "catalog/table.h"
#include "s3/service.h"

namespace aptward::s3 {
namespace {

using Method = http::UpstreamRequest::Method;

constexpr std::size_t kUploadsAtOnce = 4;  // the round trips of small files; guess
constexpr unsigned kMostTries = 3;
constexpr std::chrono::minutes kLookAtHeldEvery{10};
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
        const UploadQueue::Entry entry{digest, archive};
        if (!may_upload(entry) || uploaded_.has(digest))
            continue;
        if (!queue_.add(entry))
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

http::Async<void> Service::look_at_held()
{
    const std::uint64_t stored = services_.blobs.stored_bytes();
    const bool is_due = stored != looked_at_ && steady_now() >= look_again_;
    if (!must_look_ && !is_due)
        co_return;
    if (queue_.size() > 0)
        co_return;  // there is enough to do
    must_look_ = false;
    looked_at_ = stored;
    look_again_ = steady_now() + kLookAtHeldEvery;
    auto job = [this] { return find_held(); };
    const auto found = co_await http::on_worker(services_.workers, std::move(job));
    for (const UploadQueue::Entry& entry : found)
        if (!queue_.add(entry))
            must_look_ = true;
    looked_at_held_ = system_now();
}

// What is held, listed by what other nodes are given, and not known to be there. A worker.
std::vector<UploadQueue::Entry> Service::find_held()
{
    std::vector<Digest> held;
    const auto walked = services_.blobs.each([&](const store::Blobs::Entry& entry) {
        if (entry.digest.algorithm == HashAlgorithm::sha256 && !uploaded_.has(entry.digest))
            held.push_back(entry.digest);
        return true;
    });
    std::vector<UploadQueue::Entry> found;
    if (!walked || held.empty())
        return found;  // a disk that cannot be read is told by who needs it
    std::sort(held.begin(), held.end());
    std::vector<bool> is_taken(held.size());
    const auto consider = [&](const Digest& digest, const std::string& archive) {
        const auto place = std::lower_bound(held.begin(), held.end(), digest);
        if (place == held.end() || *place != digest || found.size() > kMostWaiting)
            return;
        auto taken = is_taken.begin() + (place - held.begin());
        UploadQueue::Entry entry{digest, archive};
        if (*taken || !may_upload(entry))
            return;
        *taken = true;
        found.push_back(std::move(entry));
    };
    const auto routes = front_.routes();
    if (routes == nullptr)
        return found;
    for (const auto& archive : routes->archives) {
        const std::string& id = archive->settings().id;
        for (const auto& [suite, generation] : archive->given_releases())
            for (const auto& [path, file] : generation->release().files)
                consider(file.digests.front(), id);
        for (const auto& given : archive->given_tables())
            // One that cannot be read is built again, and has its turn then.
            static_cast<void>(given.table->each(
                [&](std::string_view, const Digest& digest) { consider(digest, id); }));
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
        const Finding found = co_await upload_one(upload->target, *entry);
        if (found.health == Health::good)
            continue;
        upload->state = Uploading::pauses;
        has_failed_put_ = true;
        note(found);
        if (++entry->tries >= kMostTries)
            looked_at_ = kNever;  // the others shall have their turn; it is found again later
        else if (!queue_.add(std::move(*entry)))
            must_look_ = true;
    }
}

// Also what is there already is looked at once: another node may have put it there.
http::Async<Finding> Service::upload_one(TargetPtr target, UploadQueue::Entry entry)
{
    if (!may_upload(entry) || uploaded_.has(entry.digest))
        co_return Finding();
    const std::string key = key_of_blob(entry.digest);
    const auto before = co_await ask(request_for(*target, Method::head, key, sha256_of_nothing()));
    if (before.is_good() && before.size == entry.digest.size_bytes) {
        ++found_files_;
        co_await remember(entry.digest);
        co_return Finding();
    }
    Finding finding = look_at(before);
    if (finding.health == Health::good) {
        finding = co_await put(target, std::move(entry));
    }
    co_return finding;
}

http::Async<Finding> Service::put(TargetPtr target, UploadQueue::Entry entry)
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
        co_return Finding();  // it has gone meanwhile
    if (!may_upload(entry) || target != target_.load())
        co_return Finding();  // it may have become private while the service was asked
    const std::string key = key_of_blob(digest);
    auto request = request_for(*target, Method::put, key, digest.hex());
    request.body.file = std::move(file);
    request.body.file_bytes = digest.size_bytes;
    request.most_bytes_per_s = target->settings.upload_rate_bytes_per_s;
    const auto answer = co_await ask(std::move(request));
    if (are_bytes_refused(answer)) {
        co_return co_await refuse(std::move(entry));
    }
    Finding taken = look_at_put(answer);
    if (taken.health != Health::good)
        co_return taken;
    const auto after = co_await ask(request_for(*target, Method::head, key, sha256_of_nothing()));
    taken = look_at(after);
    if (taken.health != Health::good)
        co_return taken;
    if (!after.is_good() || after.size != digest.size_bytes)
        co_return Finding{Health::unreachable, "it took a file, and does not have it"};
    co_await remember(digest);
    ++uploaded_files_;
    uploaded_bytes_ += digest.size_bytes;
    co_return Finding();
}

http::Async<void> Service::remember(Digest digest)
{
    auto job = [this, digest] {
        uploaded_.add(digest);
        return true;
    };
    co_await http::on_worker(services_.workers, std::move(job));
}

// The service has counted other bytes than the digest says: ours may be damaged.
http::Async<Finding> Service::refuse(UploadQueue::Entry entry)
{
    tell("s3.refused", fmt::format("it says that the bytes of {} are others; what is held is "
                                   "checked, and set aside if it is damaged",
                                   entry.digest.hex()));
    auto check = [this, digest = entry.digest] { return services_.blobs.recheck(digest); };
    const auto checked = co_await http::on_worker(services_.workers, std::move(check));
    if (!checked)
        tell("store.failed", checked.error().message());
    Finding finding;
    if (checked && services_.blobs.holds(entry.digest))
        finding = {Health::unreachable, "it takes right bytes for others"};
    co_return finding;
}

}  // namespace aptward::s3
