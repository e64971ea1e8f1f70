// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "s3/service_error.h"

namespace aptward::s3 {
namespace {

using std::chrono::seconds;
using Method = Requests::Method;

constexpr const char* kIdKey = "aptward-bucket";  // an object that tells one bucket from another
constexpr const char* kAbsentKey = "aptward-absent";  // an object that nobody ever puts there
constexpr std::size_t kIdDigits = 32;
constexpr std::size_t kMostSpoilt = 1000;
// Until it is looked at again; guesses.
constexpr seconds kLookAgain{30}, kTryAgain{5}, kAfterRefusal{60}, kLookAtBelieved{600};

seconds pause_after(Health health)
{
    switch (health) {
        case Health::good:
            return kLookAgain;
        case Health::untried:
        case Health::unreachable:
            return kTryAgain;
        case Health::denied:
        case Health::no_bucket:
        case Health::full:
            break;
    }
    return kAfterRefusal;
}

// A signature counts for some minutes: one is made when a request starts.
fetch::SignRequest signer(const Settings& settings)
{
    return [credentials = settings.credentials, region = settings.region](const std::string& url) {
        return sign({"GET", url, sha256_of_nothing()}, credentials, region, system_now());
    };
}

bool is_id(std::string_view text)
{
    return text.size() == kIdDigits &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Service::Service(archive::Services& services, archive::Front& front, std::filesystem::path state,
                 std::optional<Settings> settings)
    : services_(services),
      front_(front),
      uploaded_(state / "blob-service.uploaded"),
      lease_(front, services.workers, requests_, uploaded_, state,
             [this](std::string code, std::string message) {
                 tell(std::move(code), std::move(message));
             }),
      deleter_(services.workers, requests_, uploaded_, lease_, state,
               [this](std::string code, std::string message) {
                   tell(std::move(code), std::move(message));
               })
{
    // Anywhere: else a node that is started often would look at the same ones each time.
    believed_after_ =
        parse_digest(crypto::random_hex(hash_bytes(HashAlgorithm::sha256)), 0).value_or(Digest());
    use(std::move(settings));
}

fetch::SourcePtr Service::make_source(const Settings& settings)
{
    fetch::SourceSettings source;
    source.kind = fetch::SourceSettings::Kind::service;
    source.url = settings.url + "/" + settings.bucket;
    source.ca = settings.ca;
    source.sign = signer(settings);
    source.spoilt = [this](const Digest& digest) { note_spoilt(digest); };
    return std::make_shared<fetch::Source>(std::move(source));
}

void Service::use(std::optional<Settings> settings)
{
    TargetPtr target;
    if (settings) {
        auto made = std::make_shared<Target>();
        made->source = make_source(*settings);
        made->settings = std::move(*settings);
        target = std::move(made);
        requests_.open();
    }
    must_look_ = must_probe_ = true;
    is_readable_ = target != nullptr;
    target_ = std::move(target);
    must_probe_ = true;  // also when the old one was just looked at
    waker_.wake();
}

void Service::stop()
{
    is_stopped_ = true;
    requests_.stop();
}

// On the fetch thread.
void Service::note_spoilt(const Digest& digest)
{
    const std::lock_guard lock(spoilt_mutex_);
    if (spoilt_.size() < kMostSpoilt)
        spoilt_.insert(digest);
}

bool Service::take_spoilt(const Digest& digest)
{
    const std::lock_guard lock(spoilt_mutex_);
    return spoilt_.erase(digest) > 0;
}

void Service::add(fetch::Want& want) const
{
    const TargetPtr target = target_.load();
    if (target == nullptr || !is_readable_ || want.digest.algorithm != HashAlgorithm::sha256)
        return;
    want.elsewhere.push_back({target->source,
                              {encode_key(target->settings.prefix + key_of_blob(want.digest))},
                              fetch::Want::Elsewhere::Turn::service});
}

bool Service::has(const Digest& digest) const
{
    return is_readable() && !must_probe_ && lease_.counts() && uploaded_.has(digest);
}

// Whether it is there, gives, is the bucket that it was, and takes what it is sent.
http::Async<Finding> Service::probe(TargetPtr target)
{
    const auto answer = co_await requests_.ask(Requests::request_for(*target, Method::get, kIdKey));
    if (is_not_allowed(answer)) {
        co_return co_await put_where_denied(target, look_at(answer));
    }
    co_return co_await look_at_id(target, answer);
}

// A service whose keys may not list says so of what is not there, too. Once: where there is an id
// that may not be read, the others would take the bucket for a new one each time.
http::Async<Finding> Service::put_where_denied(TargetPtr target, Finding denied)
{
    is_readable_ = false;
    if (!target->settings.is_uploaded_to || std::exchange(has_put_blindly_, true))
        co_return denied;
    const Finding taken = co_await put_id(target, crypto::random_hex(kIdDigits / 2));
    if (taken.health != Health::good)
        co_return denied;
    const auto answer = co_await requests_.ask(Requests::request_for(*target, Method::get, kIdKey));
    if (!answer.is_good())
        co_return denied;
    co_return co_await look_at_id(target, answer);
}

http::Async<Finding> Service::look_at_id(TargetPtr target, Answer answer)
{
    Finding finding = look_at(answer);
    if (finding.health == Health::good && answer.is_absent() && !read_service_error(answer.body))
        finding = {Health::unreachable, "it answers 404, but not as an S3 service does"};
    if (answer.is_good() && !is_id(answer.body))
        finding = {Health::unreachable,
                   fmt::format("its object {}{} is not what a node has put there; is this an S3 "
                               "service, and this node's bucket?",
                               target->settings.prefix, kIdKey)};
    if (finding.health == Health::good) {
        co_await find_out_what_denial_means(target);
    }
    if (answer.is_good() && finding.health == Health::good && !uploaded_.begin(answer.body)) {
        begin_anew();
        tell("s3.other-bucket",
             "it is not the bucket that it was: what is held here is uploaded to it anew");
    }
    if (answer.is_absent() && finding.health == Health::good) {
        uploaded_.clear();
        begin_anew();
    }
    is_readable_ = finding.health == Health::good && target == target_.load();
    if (finding.health != Health::good)
        co_return finding;
    if (target->settings.is_uploaded_to && (answer.is_absent() || has_failed_put_)) {
        std::string id = answer.is_absent() ? crypto::random_hex(kIdDigits / 2) : answer.body;
        finding = co_await put_id(target, std::move(id));
    }
    co_return finding;
}

// Whether it says 404 or 403 of what is not there.
http::Async<void> Service::find_out_what_denial_means(TargetPtr target)
{
    if (knows_denial_)
        co_return;
    const auto answer =
        co_await requests_.ask(Requests::request_for(*target, Method::get, kAbsentKey));
    knows_denial_ = answer.is_absent() || is_not_allowed(answer);
    target->source->denies_what_it_lacks(is_not_allowed(answer));
}

// Of two nodes that make one at once one is overwritten: it takes the other's at its next look.
http::Async<Finding> Service::put_id(TargetPtr target, std::string id)
{
    const auto answer = co_await requests_.ask(Requests::put_request(*target, kIdKey, id));
    has_failed_put_ = !answer.is_good();
    if (answer.is_good())
        uploaded_.begin(id);
    co_return look_at_put(answer);
}

// Each by itself: what takes long keeps nothing else from its turn.
http::Async<void> Service::keep()
{
    http::spawn(services_.control, "uploading", keep_in_turn(&Service::upload_in_turn));
    http::spawn(services_.control, "keeping the lease", keep_in_turn(&Service::lease_in_turn));
    http::spawn(services_.control, "deleting in the bucket",
                keep_in_turn(&Service::delete_in_turn));
    co_await keep_in_turn(&Service::look_in_turn);
}

http::Async<void> Service::keep_in_turn(Step step)
{
    const auto signal = co_await http::make_signal();
    waker_.enter(signal);
    for (;;) {
        const SteadyTime next = co_await one_turn(step);
        co_await signal->wait_until(next);
    }
}

// Exhausted memory (R11) costs a turn.
http::Async<SteadyTime> Service::one_turn(Step step)
{
    SteadyTime next = steady_now() + kTryAgain;
    try {
        next = co_await (this->*step)();
    } catch (const std::exception& error) {
        log_warning("s3.failed", {}, error.what());
        must_look_ = true;
    }
    co_return next;
}

// What was known of the bucket counts no more.
void Service::begin_anew()
{
    must_look_ = true;
    unsettled_.clear();
    left_alone_.clear();
    lease_.begin_anew();
    deleter_.begin_anew();
    waker_.wake();
}

http::Async<SteadyTime> Service::look_in_turn()
{
    const TargetPtr target = target_.load();
    if (must_probe_.exchange(false)) {
        begin_anew();
        knows_bucket_ = knows_denial_ = has_put_blindly_ = false;
        next_probe_ = SteadyTime{};
        // After a start the bucket is as it was; who reads the configuration again may doubt that.
        const bool is_first = look_at_believed_ == SteadyTime{};
        look_at_believed_ = steady_now() + (is_first ? kLookAtBelieved : seconds(0));
        if (!is_first)
            believed_after_ = Digest();
    }
    if (target == nullptr) {
        queue_.clear();
        note({Health::untried, ""});
        co_return http::kNoDeadline;
    }
    if (steady_now() >= next_probe_) {
        const Finding found = co_await probe(target);
        note(found);
        if (!knows_bucket_ && target == target_.load()) {
            knows_bucket_ = true;
            waker_.wake();
        }
        next_probe_ = steady_now() + pause_after(found.health);
    }
    co_return next_probe_;
}

// Null while nothing is put there.
TargetPtr Service::usable_target() const
{
    const TargetPtr target = target_.load();
    const bool is_usable = target != nullptr && target->settings.is_uploaded_to && !must_probe_ &&
                           knows_bucket_ && finding_.health == Health::good;
    return is_usable ? target : nullptr;
}

http::Async<SteadyTime> Service::upload_in_turn()
{
    const TargetPtr target = usable_target();
    if (target == nullptr)
        co_return http::kNoDeadline;
    co_await look_at_held();
    co_await upload_waiting(target);
    const bool is_at_once = must_look_ && usable_target() == target;
    co_return is_at_once ? SteadyTime{} : steady_now() + kLookAgain;
}

http::Async<SteadyTime> Service::lease_in_turn()
{
    const TargetPtr target = usable_target();
    if (target == nullptr)
        co_return http::kNoDeadline;
    const bool has_settled = co_await lease_.keep(target);
    if (has_settled)
        look_again_at_unsettled();
    if (lease_.has_forgotten()) {
        must_look_ = true;
        waker_.wake();
    }
    co_return lease_.next();
}

http::Async<SteadyTime> Service::delete_in_turn()
{
    const TargetPtr target = usable_target();
    if (target == nullptr)
        co_return http::kNoDeadline;
    co_await deleter_.keep(target);
    co_return deleter_.next();
}

void Service::note(const Finding& finding)
{
    const Health before = std::exchange(finding_.health, finding.health);
    finding_.why = finding.why;
    if (finding.health == Health::no_bucket)
        uploaded_.clear();
    if (before == finding.health)
        return;
    since_ = system_now();
    left_alone_.clear();  // a service in trouble may have refused what it takes now
    waker_.wake();
    if (finding.health == Health::good && before != Health::untried)
        tell("s3.back", "the blob service is as it should be again");
    else if (finding.health != Health::good && finding.health != Health::untried)
        tell(fmt::format("s3.{}", to_string(finding.health)),
             fmt::format("{}; files come from elsewhere meanwhile", finding.why));
}

// Found out beside a look.
void Service::note_trouble(const Finding& finding)
{
    has_failed_put_ = true;
    note(finding);
    next_probe_ = steady_now() + pause_after(finding.health);
    waker_.wake();
}

void Service::tell(std::string code, std::string message) const
{
    catalog::Event event;
    event.code = std::move(code);
    if (const TargetPtr target = target_.load())
        event.source = target->source->url();
    event.message = std::move(message);
    services_.events.add(std::move(event));
}

http::Async<std::optional<archive::BlobServiceReport>> Service::report()
{
    const TargetPtr target = target_.load();
    if (target == nullptr)
        co_return std::nullopt;
    archive::BlobServiceReport report;
    const auto look = [this]() -> http::Task<archive::BlobServiceReport> {
        archive::BlobServiceReport seen;
        seen.state = to_string(finding_.health);
        seen.why = finding_.why;
        seen.since = since_;
        seen.left_alone_files = left_alone_.size();
        seen.unsettled_files = unsettled_.size();
        seen.lease = lease_.report();
        seen.deleting = deleter_.report();
        co_return seen;
    };
    const auto found = co_await http::on_loop(services_.control, "looking at the blob service",
                                              look, steady_now() + seconds(2));
    if (found)
        report = *found;
    report.url = target->source->url();
    report.is_uploaded_to = target->settings.is_uploaded_to;
    report.uploaded_files = uploaded_files_;
    report.uploaded_bytes = uploaded_bytes_;
    report.found_files = found_files_;
    report.waiting_files = queue_.size() + uploading_;
    report.looked_at = looked_at_held_;
    report.known_files = uploaded_.count();
    std::vector<fetch::SourcePtr> shown = {target->source};
    const auto sources = co_await services_.fetcher.report(std::move(shown));
    if (!sources.empty())
        report.source = sources.front();
    co_return report;
}

}  // namespace aptward::s3
