// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/lease_keeper.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/text.h"
#include "catalog/table.h"
#include "crypto/crypto.h"

namespace aptward::s3 {
namespace {

using Method = Requests::Method;
using std::chrono::minutes, std::chrono::seconds;

constexpr std::size_t kNameDigits = 16;
constexpr const char* kNoticeKey = "aptward-deletes";
constexpr minutes kLookEvery{10}, kRenewEvery{60}, kTryAgain{1};
constexpr seconds kLeastPause{2};  // between two looks at what is needed; doubled in vain
constexpr seconds kHalfValid = kLeaseValid / 2;

bool is_name(std::string_view text)
{
    return text.size() == kNameDigits &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What tells a lease that this node put there from one that somebody else did.
std::string mark_of(const Answer& answer)
{
    return answer.modified ? fmt::format("{} {}", to_unix(*answer.modified), printable(answer.etag))
                           : "";
}

// For people who wonder whose lease it is.
std::string name_of_this_machine()
{
    std::array<char, 65> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0)
        return "unknown";
    std::string text(name.data());
    std::erase_if(text, [](char c) { return c <= ' ' || c >= 0x7f; });
    return text.empty() ? "unknown" : text;
}

}  // namespace

LeaseKeeper::LeaseKeeper(archive::Front& front, WorkerPool& workers, Requests& requests,
                         Uploaded& uploaded, std::filesystem::path state, Tell tell)
    : front_(front),
      workers_(workers),
      requests_(requests),
      uploaded_(uploaded),
      tell_(std::move(tell)),
      file_(state / "blob-service.lease")
{
    const auto text = read_file(file_, 4096);
    const std::size_t end = text ? text->find('\n') : std::string::npos;
    if (end == kNameDigits && is_name(text->substr(0, end))) {
        name_ = text->substr(0, end);
        mark_ = std::string(trim(text->substr(end + 1)));
        while (mark_.ends_with('\n'))
            mark_.pop_back();
    } else {
        take_new_name();
    }
}

void LeaseKeeper::take_new_name()
{
    name_ = crypto::random_hex(kNameDigits / 2);
    mark_.clear();
}

// Durable: by a mark that is not the last one, this node's own lease would be taken for another's.
http::Async<void> LeaseKeeper::save(std::string mark)
{
    auto job = [this, text = name_ + "\n" + mark + "\n"] {
        return write_file_durably(file_, text);
    };
    const auto written = co_await http::on_worker(workers_, std::move(job));
    if (!written)
        tell_("s3.lease-failed", written.error().message());
}

void LeaseKeeper::begin_anew()
{
    published_key_.clear();
    named_ = settled_ = nullptr;
    settles_.reset();
    counts_until_ = SystemTime{};
    next_ = SteadyTime{};
    taken_ = SystemTime{};
    uploaded_.begin_turn();
    ++turn_;
}

bool LeaseKeeper::want(const Digest& digest)
{
    const bool is_named =
        named_ != nullptr && (named_->is_everything || contains(named_->names, digest));
    if (is_named || is_wanted_)
        return false;
    is_wanted_ = true;
    next_ = std::min(next_, looked_ + pause_);
    return true;
}

bool LeaseKeeper::covers(const Digest& digest) const
{
    return settled_ != nullptr && (settled_->is_everything || contains(settled_->names, digest));
}

bool LeaseKeeper::counts() const
{
    return system_now() < counts_until_.load() && steady_now() < counts_until_too_.load();
}

SystemTime LeaseKeeper::service_now() const
{
    return taken_ + std::chrono::floor<seconds>(steady_now() - taken_here_);
}

archive::BlobServiceReport::Lease LeaseKeeper::report() const
{
    archive::BlobServiceReport::Lease report;
    report.name = name_;
    report.taken = published_key_.empty() ? SystemTime{} : taken_;
    report.names = named_ == nullptr ? 0 : named_->names.size();
    report.is_everything = named_ != nullptr && named_->is_everything;
    report.is_settled = settled_ != nullptr && !settles_;
    report.why = why_;
    return report;
}

void LeaseKeeper::fail_for_now(std::string why)
{
    if (why != why_)
        tell_("s3.lease-failed", why);
    why_ = std::move(why);
    next_ = steady_now() + kTryAgain;
}

http::Async<bool> LeaseKeeper::keep(TargetPtr target)
{
    bool has_settled = false;
    if (settles_ && steady_now() >= *settles_) {
        settled_ = named_;
        settles_.reset();
        has_settled = true;
    }
    if (settles_)  // one after the other, or what comes all the time would never settle
        next_ = std::max(next_, *settles_);
    if (steady_now() < next_)
        co_return has_settled;
    const std::uint64_t turn = turn_;
    looked_ = steady_now();
    auto job = [this] { return find_needed(); };
    const NeededPtr needed = co_await http::on_worker(workers_, std::move(job));
    if (turn != turn_)  // the target may be another one
        co_return false;
    if (needed == nullptr) {  // what an index names cannot be read: the old lease is the better one
        fail_for_now("what this node needs cannot be read from its tables");
        co_return has_settled;
    }
    const bool is_same = named_ != nullptr && !published_key_.empty() &&
                         named_->is_everything == needed->is_everything &&
                         named_->names == needed->names;
    pause_ = is_same ? std::min<seconds>(2 * pause_, kLookEvery) : kLeastPause;
    is_wanted_ = false;
    next_ = looked_ + kLookEvery;
    if (is_same && steady_now() < renew_)
        co_return has_settled;
    const bool was_settled = settled_ != nullptr && !settles_;
    co_await publish(target, needed);
    if (turn != turn_)
        co_return false;
    co_return has_settled || (!settles_ && settled_ != nullptr && !(is_same && was_settled));
}

// Everything that what other nodes are given names, held or not. A worker.
LeaseKeeper::NeededPtr LeaseKeeper::find_needed() const
{
    auto routes = front_.routes();
    while (routes != nullptr) {
        auto needed = find_needed_of(*routes);
        auto now = front_.routes();
        if (now == routes)
            return needed;
        routes = std::move(now);  // archives that a reload retires meanwhile give nothing
    }
    return nullptr;
}

LeaseKeeper::NeededPtr LeaseKeeper::find_needed_of(const archive::Routes& routes) const
{
    auto needed = std::make_shared<Needed>();
    ShortNames& names = needed->names;
    const auto note = [&](const Digest& digest) {
        if (digest.algorithm != HashAlgorithm::sha256 || needed->is_everything)
            return;
        names.push_back(short_name_of(digest));
        if (names.size() < 2 * kMostNames)
            return;
        put_in_order(names);
        needed->is_everything = names.size() > kMostNames;
    };
    bool is_read = true;
    for (std::size_t i = 0; is_read && i < routes.archives.size(); ++i) {
        const auto& archive = routes.archives[i];
        archive->for_each_given([&](const std::string&, const catalog::GenerationPtr& generation) {
            for (const auto& [path, file] : generation->release().files)
                note(file.digests.front());
            for (const auto& [base, table] : generation->tables()) {
                const auto walked =
                    table->each([&](std::string_view, const Digest& digest) { note(digest); });
                is_read = is_read && walked;
            }
        });
    }
    if (!is_read)
        return nullptr;
    put_in_order(names);
    needed->is_everything = needed->is_everything || names.size() > kMostNames;
    if (needed->is_everything)
        names = {};
    return needed;
}

// What both name; nothing known names nothing.
LeaseKeeper::NeededPtr LeaseKeeper::both(NeededPtr one, NeededPtr other) const
{
    if (one == nullptr || other == nullptr)
        return nullptr;
    if (one->is_everything)
        return other;
    if (other->is_everything)
        return one;
    auto common = std::make_shared<Needed>();
    std::set_intersection(one->names.begin(), one->names.end(), other->names.begin(),
                          other->names.end(), std::back_inserter(common->names));
    return common;
}

http::Async<void> LeaseKeeper::publish(TargetPtr target, NeededPtr needed)
{
    const std::uint64_t turn = turn_;
    const Last last = co_await look_at_last(target);
    if (!last.is_known || turn != turn_)
        co_return;
    if (last.is_gap) {  // before it is published: what a crash left would be believed afterwards
        const auto wait = co_await settling(target);
        if (turn != turn_)
            co_return;
        bool is_safe = wait == seconds(0);
        if (!is_safe) {
            is_safe = co_await forget_all();
        }
        if (!is_safe)
            co_return;
    }
    settled_ = both(settled_, needed);
    const bool is_dropped = co_await keep_only(needed);
    if (!is_dropped)
        co_return;
    const SteadyTime began = steady_now();
    const SystemTime began_too = system_now();
    const auto taken = co_await put(target, needed);
    if (!taken || turn != turn_)
        co_return;
    const auto wait = co_await settling(target);
    if (turn != turn_)
        co_return;
    const bool is_late = *taken->modified - last.modified > kHalfValid;
    if ((last.is_gap || is_late) && wait != seconds(0)) {
        const bool is_forgotten = co_await forget_all();
        if (!is_forgotten)
            co_return;
    }
    taken_ = *taken->modified;
    taken_here_ = began;
    mark_ = mark_of(*taken);
    may_be_newer_ = false;
    published_key_ = "leases/" + name_;
    named_ = needed;
    renew_ = steady_now() + kRenewEvery;
    why_.clear();
    co_await save(mark_);
    if (turn != turn_)
        co_return;
    if (!wait) {
        settled_ = both(settled_, named_);
        settles_.reset();
        renew_ = {};
        co_return fail_for_now("whether somebody deletes in the bucket cannot be read");
    }
    const bool is_wider = settled_ == nullptr || settled_->names != named_->names ||
                          settled_->is_everything != named_->is_everything;
    if (*wait == seconds(0) || !is_wider) {
        settled_ = named_;
        settles_.reset();
    } else {
        settles_ = steady_now() + *wait;
        next_ = std::min(next_, *settles_);
    }
    counts_until_ = began_too + kHalfValid;
    counts_until_too_ = began + kHalfValid;
}

// Whether the lease is there as this node had left it. Only what is told to be missing is gone: a
// service in trouble says nothing of it.
http::Async<LeaseKeeper::Last> LeaseKeeper::look_at_last(TargetPtr target)
{
    const std::uint64_t turn = turn_;
    const auto there =
        co_await requests_.ask(Requests::request_for(*target, Method::head, "leases/" + name_));
    if (turn != turn_)
        co_return Last();
    if (lacks(*target, there))
        co_return Last{true, true, {}};
    if (!there.is_good()) {
        fail_for_now("the lease cannot be looked at: " + look_at(there).why);
        co_return Last();
    }
    const std::string mark = mark_of(there);
    if (!mark_.empty() && mark != mark_ && !may_be_newer_) {
        tell_("s3.lease-shared",
              "somebody else writes this node's lease: was its state folder copied? It takes "
              "another name");
        take_new_name();
        co_return Last{true, true, {}};
    }
    if (mark.empty() || mark != mark_)
        co_return Last{true, true, {}};
    const SystemTime modified = *there.modified;
    const bool is_old = system_now() - modified > kHalfValid ||
                        (taken_ != SystemTime{} && service_now() - modified > kHalfValid);
    co_return Last{true, is_old, modified};
}

// Nothing has kept anything there meanwhile. As keep_only().
http::Async<bool> LeaseKeeper::forget_all()
{
    settled_ = nullptr;
    settles_.reset();
    has_forgotten_ = true;
    co_return co_await keep_only(std::make_shared<const Needed>());
}

// Nothing counts as being there any more that is not needed: when it is needed again it has to be
// seen again. False when the disk does not take that, or it was begun anew meanwhile.
http::Async<bool> LeaseKeeper::keep_only(NeededPtr needed)
{
    const std::uint64_t turn = turn_;
    uploaded_.begin_turn();
    if (needed->is_everything)
        co_return true;
    auto job = [this, needed] { return uploaded_.keep_only(needed->names); };
    const bool is_done = co_await http::on_worker(workers_, std::move(job));
    if (turn != turn_)
        co_return false;
    if (!is_done)
        fail_for_now("it cannot be written down that the bucket has less than was believed");
    co_return is_done;
}

// The service's answer to a look at what it took. Until that is known a crash leaves no mark.
http::Async<std::optional<Answer>> LeaseKeeper::put(TargetPtr target, NeededPtr needed)
{
    const std::uint64_t turn = turn_;
    may_be_newer_ = true;
    co_await save("");
    auto compose = [needed] {
        Lease lease;
        lease.node = name_of_this_machine();
        lease.valid = kLeaseValid;
        lease.needs_everything = needed->is_everything;
        lease.names = needed->names;
        return to_text(lease);
    };
    std::string text = co_await http::on_worker(workers_, std::move(compose));
    if (turn != turn_)
        co_return std::nullopt;
    const std::size_t size = text.size();
    const std::string key = "leases/" + name_;
    const auto answer =
        co_await requests_.ask(Requests::put_request(*target, key, std::move(text)));
    const Finding taken = look_at_put(answer);
    if (turn != turn_)
        co_return std::nullopt;
    if (taken.health != Health::good) {
        fail_for_now("the lease was not taken: " + taken.why);
        co_return std::nullopt;
    }
    auto after = co_await requests_.ask(Requests::request_for(*target, Method::head, key));
    if (turn != turn_)
        co_return std::nullopt;
    if (!after.is_good() || after.size != size || !after.modified) {
        fail_for_now("the lease was taken, and is not there");
        co_return std::nullopt;
    }
    co_return std::move(after);
}

// How long until what the lease names is safe; nothing when that cannot be told. A service that
// denies what it lacks denies this as well.
http::Async<std::optional<seconds>> LeaseKeeper::settling(TargetPtr target)
{
    const auto answer =
        co_await requests_.ask(Requests::request_for(*target, Method::get, kNoticeKey));
    if (lacks(*target, answer))
        co_return seconds(0);
    if (!answer.is_good())
        co_return std::nullopt;
    const auto notice = parse_deletion_notice(answer.body);
    co_return settling_time(notice ? *notice : DeletionNotice{kLongestWithin});
}

}  // namespace aptward::s3
