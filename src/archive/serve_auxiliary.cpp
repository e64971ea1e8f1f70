// SPDX-License-Identifier: GPL-3.0-or-later
// Files that no index names, on the client's loop: proven by a SHA256SUMS or a signature beside
// them, or passed on unproven where the configuration lists them (archive-reality 12).
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "archive/archive.h"
#include "archive/past.h"
#include "archive/send.h"
#include "archive/signed_files.h"
#include "archive/suite.h"

namespace aptward::archive {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWait{9000};  // a clear error comes before apt's 30 s
constexpr milliseconds kSumsWait{3000};
constexpr milliseconds kSizeWait{2000};  // for each of several sizes
constexpr std::size_t kMostSizes = 3;
constexpr std::uint64_t kLargestSums = 4ULL << 20;

Result<std::string> read_all(const Fd& file, std::uint64_t size)
{
    std::string text(size, '\0');
    for (std::uint64_t done = 0; done < size;) {
        const ssize_t got =
            ::pread(file.get(), text.data() + done, size - done, static_cast<::off_t>(done));
        if (got <= 0)
            return fail(Errc::storage, "reading a held file");
        done += static_cast<std::uint64_t>(got);
    }
    return text;
}

// A size that sources state, and who states it.
struct Stated {
    std::uint64_t size = 0;
    std::size_t weight = 0;  // trustworthy ones among them
    std::size_t place = 0;   // in the order in which they came
    std::vector<fetch::SourcePtr> sources;
};

// What most of the trustworthy sources state comes first, what was wrong already comes last.
std::vector<Stated> sort_sizes(const std::vector<fetch::Measured>& sizes, Digest digest,
                               const fetch::Fetcher& fetcher)
{
    std::vector<Stated> stated;
    for (const fetch::Measured& one : sizes) {
        auto known = std::find_if(stated.begin(), stated.end(), [&](const Stated& other) {
            return other.size == one.size_bytes;
        });
        if (known == stated.end())
            known = stated.insert(known, Stated{one.size_bytes, 0, stated.size(), {}});
        known->sources.push_back(one.source);
        known->weight += one.is_open ? 0 : 1;
    }
    const auto was_wrong = [&](const Stated& one) {
        digest.size_bytes = one.size;
        return fetcher.was_wrong_lately(digest);
    };
    std::sort(stated.begin(), stated.end(), [&](const Stated& one, const Stated& other) {
        return std::tuple(was_wrong(one), other.weight, one.place) <
               std::tuple(was_wrong(other), one.weight, other.place);
    });
    return stated;
}

// Returns when the flight has succeeded or failed, or has not within 2 s.
http::Async<fetch::Flight::Phase> settle(std::shared_ptr<fetch::Flight> flight)
{
    auto signal = co_await http::make_signal();
    flight->follow(signal);
    const SteadyTime deadline = steady_now() + kSizeWait;
    bool is_in_time = true;
    while (is_in_time && flight->phase() == fetch::Flight::Phase::running) {
        is_in_time = co_await signal->wait_until(deadline);
    }
    co_return flight->phase();
}

}  // namespace

/// The SHA256SUMS above a file.
struct Archive::Sums {
    std::string path;  ///< Empty: none is proven.
    std::string text;
    std::string failure;  ///< Why it is not known now; empty when its absence is.
};

// What clients get: now, or as of the moment that the archive is frozen to.
std::optional<catalog::SuiteView> Archive::suite_view_given(const std::string& suite) const
{
    const FrozenPtr frozen = past_->frozen();
    if (!frozen)
        return suite_view(suite);
    const catalog::SuiteView* then = frozen->past->view.find(suite);
    return then == nullptr ? std::nullopt : std::optional(*then);
}

// False when the path is none of these files: it is then served or refused as ever.
http::Async<bool> Archive::serve_auxiliary(http::Exchange& exchange, Name name, std::string path)
{
    if (name.kind != Name::Kind::index && name.kind != Name::Kind::pool)
        co_return false;
    const AuxiliaryName what = read_auxiliary(path, settings_.auxiliary);
    if (!what.is_auxiliary())
        co_return false;
    const auto listed = find_pool(path);
    if (!listed || *listed)
        co_return false;
    if (name.kind == Name::Kind::index) {
        // What a release lists is proven by it and nothing else.
        auto suite = suite_view_given(name.suite);
        if (!suite && !past_->frozen()) {
            suite = co_await fresh_suite(name);
        }
        if (!suite) {
            co_await refuse_unknown(exchange, name);
            co_return true;
        }
        if (suite->current->release().find(name.rest) != nullptr)
            co_return false;
    }
    const bool has_keys = settings_.verify != Verify::unverified;
    if (!what.sums.empty()) {
        co_return co_await serve_installer(exchange, name, path, what.sums);
    }
    if (has_keys && !what.signed_file.empty()) {
        const bool is_answered = co_await serve_signed(exchange, what);
        if (is_answered)
            co_return true;
    }
    fetch::StreamRequest request;
    request.archive = settings_.id;
    request.path = http::encode_path(path);
    request.sources = asked();
    const auto stream = services_.fetcher.stream(std::move(request));
    co_await send_unproven(exchange, stream, "none; no index names this file", services_.counters);
    co_return true;
}

http::Async<bool> Archive::serve_installer(http::Exchange& exchange, Name name, std::string path,
                                           std::vector<std::string> candidates)
{
    std::string failure;
    for (const std::string& candidate : candidates) {
        const auto sums = co_await find_sums(name, candidate);
        if (sums.path.empty() && sums.failure.empty())
            continue;
        if (sums.path.empty()) {
            failure = sums.failure;  // one that cannot be had now decides: no further waiting
            break;
        }
        const std::size_t folder = candidate.rfind('/') + 1;
        const auto digest = find_sum(sums.text, std::string_view(path).substr(folder));
        if (digest) {
            co_await send_summed(exchange, path, *digest);
            co_return true;
        }
        co_await send_refusal(exchange, 404, "auxiliary.unlisted",
                              digest.error().message() + " (" + candidate + ")",
                              services_.counters);
        co_return true;
    }
    if (failure.empty())
        co_return false;
    co_await send_refusal(exchange, 503, "auxiliary.unavailable", failure, services_.counters);
    co_return true;
}

// Listed by the release, or signed on its own.
http::Async<Archive::Sums> Archive::find_sums(Name name, std::string path)
{
    Sums sums;
    const std::string folder = suite_folder(name.suite);
    const auto suite = suite_view_given(name.suite);
    const deb::ListedFile* file =
        suite ? suite->current->release().find(std::string_view(path).substr(folder.size()))
              : nullptr;
    fetch::Want want = want_of(file != nullptr ? file->digests.front() : Digest());
    want.paths.push_back(http::encode_path(path));
    if (file != nullptr) {
        want.is_mutable_name = true;
        // Remembered like an index that clients use: it comes with every new release.
        const auto adopt = [](std::shared_ptr<Archive> self, std::string suite_name, std::string id,
                              std::string listed) -> http::Async<void> {
            Suite& target = self->suite(suite_name);
            co_await target.adopt_index(std::move(id), std::move(listed));
        };
        http::spawn(services_.control, "adopting " + path,
                    adopt(shared_from_this(), name.suite, suite->current->id(), file->path));
    } else {
        if (settings_.verify == Verify::unverified)
            co_return sums;
        const auto outcome = co_await signed_file(path);
        if (!outcome->file) {
            if (!outcome->is_absent)
                sums.failure = outcome->message;
            co_return sums;
        }
        want.digest = outcome->file->digest;
    }
    auto text = co_await proven_text(std::move(want));
    if (!text) {
        sums.failure = path + ": " + text.error().message();
        co_return sums;
    }
    sums.path = std::move(path);
    sums.text = std::move(*text);
    co_return sums;
}

http::Task<std::string> Archive::proven_text(fetch::Want want)
{
    const Digest digest = want.digest;
    if (digest.size_bytes > kLargestSums)
        co_return fail(Errc::malformed, "it is larger than 4 MiB");
    if (!may_use(digest)) {
        auto signal = co_await http::make_signal();
        const auto flight = services_.fetcher.fetch(std::move(want));
        flight->follow(signal);
        const SteadyTime deadline = steady_now() + kSumsWait;
        while (flight->phase() != fetch::Flight::Phase::stored) {
            if (flight->phase() == fetch::Flight::Phase::failed)
                co_return tl::unexpected<Error>(*flight->error());
            const bool is_in_time = co_await signal->wait_until(deadline);
            if (!is_in_time)
                co_return fail(Errc::unavailable, "no source has delivered it within 3 s");
        }
    }
    auto job = [&blobs = services_.blobs, digest]() -> Result<std::string> {
        TRY(const Fd file, blobs.read(digest));
        return read_all(file, digest.size_bytes);
    };
    co_return co_await http::on_worker(services_.workers, std::move(job));
}

// Where the sources differ, each size is tried until the hash fits: whoever states another one then
// is charged with it. Nothing when no source states any.
http::Async<std::optional<fetch::Want>> Archive::find_size(fetch::Want want)
{
    using Phase = fetch::Flight::Phase;
    const std::string path = want.paths.front();
    auto measured = co_await services_.fetcher.measure(asked(), path);
    for (const fetch::Measured& one : measured.sizes)
        if (one.size_bytes > fetch::kLargestStream)
            services_.fetcher.charge(one.source, fetch::Fault::protocol,
                                     path + ": it offers more than 8 GiB");
    std::erase_if(measured.sizes, [](const fetch::Measured& one) {
        return one.size_bytes > fetch::kLargestStream;
    });
    auto sizes = sort_sizes(measured.sizes, want.digest, services_.fetcher);
    sizes.resize(std::min(sizes.size(), kMostSizes));
    if (sizes.empty())
        co_return std::nullopt;
    std::size_t best = 0;
    std::uint64_t most = 0;  // bytes that have come, where nothing is known yet
    std::vector<std::shared_ptr<fetch::Flight>> flights;  // held so that they go on
    for (std::size_t i = 0; i < sizes.size() && sizes.size() > 1; ++i) {
        fetch::Want one = want;
        one.digest.size_bytes = sizes[i].size;
        one.sources = sizes[i].sources;
        const auto flight = services_.fetcher.fetch(std::move(one));
        flights.push_back(flight);
        const Phase phase = co_await settle(flight);
        if (phase == Phase::running && flight->available() >= most) {
            best = i;
            most = flight->available();
        }
        if (phase != Phase::verified && phase != Phase::stored)
            continue;
        best = i;
        for (const fetch::Measured& other : measured.sizes)
            if (other.size_bytes != sizes[i].size)
                services_.fetcher.charge(other.source, fetch::Fault::wrong_size,
                                         fmt::format("{}: it states {} bytes, proven are {}", path,
                                                     other.size_bytes, sizes[i].size));
        break;
    }
    want.digest.size_bytes = sizes[best].size;
    want.sources = std::move(sizes[best].sources);
    co_return std::move(want);
}

// Its hash is proven, its size nobody has said: what the sources state sorts them, the hash
// decides.
http::Async<void> Archive::send_summed(http::Exchange& exchange, std::string path, Digest hash_only)
{
    fetch::Want want = want_of(hash_only);
    want.paths.push_back(http::encode_path(path));
    want.is_mutable_name = true;
    want.lent = nullptr;  // it would be for the first of other sources
    std::optional<fetch::Want> sized;
    if (const auto held = services_.blobs.find(hash_only)) {
        want.digest = *held;
        sized = std::move(want);
    } else {
        sized = co_await find_size(std::move(want));
    }
    bool is_sent = false;
    if (sized) {
        Provenance provenance;
        provenance.modified = modified_of(sized->digest);
        provenance.archive = settings_.id;
        provenance.path = path;
        fetch::Want wanted = *std::move(sized);
        is_sent = co_await send_wanted(exchange, std::move(wanted), provenance, services_);
    }
    if (!is_sent) {
        co_await send_refusal(exchange, 503, "auxiliary.missing",
                              fmt::format("a SHA256SUMS lists {}, but no source of {} has it now",
                                          path, settings_.id),
                              services_.counters);
    }
}

http::Async<std::shared_ptr<SignedOutcome>> Archive::signed_file(std::string path)
{
    auto outcome = std::make_shared<SignedOutcome>();
    outcome->code = "auxiliary.unavailable";
    outcome->message = path + " and its signature are still being fetched";
    auto signal = co_await http::make_signal();
    auto found = std::make_shared<SignedOutcome>();
    const auto look = [](std::shared_ptr<Archive> self, std::string file,
                         std::shared_ptr<SignedOutcome> to,
                         std::shared_ptr<http::Signal> done) -> http::Async<void> {
        trust::Policy policy = self->policy(self->settings_);
        co_await self->signed_files_->get(std::move(file), std::move(policy), to, self);
        done->notify();
    };
    http::spawn(services_.control, "looking for " + path,
                look(shared_from_this(), path, found, signal));
    const bool is_done = co_await signal->wait_until(steady_now() + kWait);
    co_return std::move(is_done ? found : outcome);
}

// False only under `observe`, which records a missing proof and refuses nothing.
http::Async<bool> Archive::serve_signed(http::Exchange& exchange, AuxiliaryName what)
{
    const auto outcome = co_await signed_file(what.signed_file);
    if (!outcome->file && settings_.verify == Verify::observe)
        co_return false;
    if (!outcome->file) {
        const int status = outcome->is_absent ? 404 : 503;
        co_await send_refusal(exchange, status, outcome->code, outcome->message,
                              services_.counters);
        co_return true;
    }
    const SignedFile& file = *outcome->file;
    Provenance provenance;
    provenance.modified = file.signed_at;
    provenance.archive = settings_.id;
    provenance.path = what.signed_file;
    if (what.is_signature) {
        const std::string etag = "\"" + file.digest.hex() + "-gpg\"";
        co_await send_text(exchange, file.signature, etag, provenance, services_);
        co_return true;
    }
    fetch::Want want = want_of(file.digest);
    want.paths.push_back(http::encode_path(what.signed_file));
    want.is_mutable_name = true;
    const bool is_sent = co_await send_wanted(exchange, std::move(want), provenance, services_);
    if (!is_sent) {
        co_await send_refusal(exchange, 503, "auxiliary.missing",
                              what.signed_file + " was held, and no source has it now",
                              services_.counters);
    }
    co_return true;
}

}  // namespace aptward::archive
