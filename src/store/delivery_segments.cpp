// SPDX-License-Identifier: GPL-3.0-or-later
// Segments of the delivery record as files: writing, forgetting, searching.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <deque>

#include "base/log.h"
#include "store/deliveries.h"

namespace aptward::store {
namespace {

using std::chrono::system_clock;

constexpr std::uint64_t kMaxSegmentBytes = 64ULL << 20;
constexpr const char* kSuffix = ".seg";
constexpr int kMaxPerSecond = 10'000;

std::int64_t in_ms(system_clock::time_point time)
{
    return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// "20260430T101500Z": names sort by time.
std::string stamp_of(system_clock::time_point time)
{
    const std::time_t seconds = system_clock::to_time_t(time);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::vector<std::filesystem::path> segments_in(const std::filesystem::path& folder)
{
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error))
        if (it->path().extension() == kSuffix)
            files.push_back(it->path());
    if (error && error != std::errc::no_such_file_or_directory)
        log_error("store.failed", {}, "listing " + folder.string() + ": " + error.message());
    std::sort(files.begin(), files.end());
    return files;
}

system_clock::time_point last_written(const std::filesystem::path& file)
{
    struct ::stat status{};
    if (::stat(file.c_str(), &status) != 0)
        return system_clock::time_point::max();
    return system_clock::from_time_t(status.st_mtim.tv_sec + 1);
}

KeptDelivery kept(const Delivery& delivery)
{
    return {delivery.time_ms,
            std::string(delivery.client),
            std::string(delivery.archive),
            std::string(delivery.path),
            std::string(delivery.digest),
            std::string(delivery.generation),
            std::string(delivery.source),
            delivery.bytes_sent,
            delivery.status,
            delivery.is_complete};
}

void add(SegmentReading& to, const SegmentReading& more)
{
    to.deliveries += more.deliveries;
    to.lost += more.lost;
    to.unreadable += more.unreadable;
    to.damaged_bytes += more.damaged_bytes;
    to.torn_bytes += more.torn_bytes;
}

}  // namespace

Result<void> DeliverySegments::start_segment()
{
    TRY_VOID(make_directories(folder_));
    started_ = system_clock::now();
    const std::string stamp = stamp_of(started_);
    for (int number = 1; number < kMaxPerSecond; ++number) {
        const auto path = folder_ / fmt::format("{}-{:04}{}", stamp, number, kSuffix);
        // 0640: which machine asked for what is nobody's business but the operator's.
        file_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640));
        if (!file_ && errno == EEXIST)
            continue;
        if (!file_)
            return fail_errno("creating " + path.string(), errno);
        const std::string header = DeliveryEncoder::header(in_ms(started_));
        TRY_VOID(write_all(file_.get(), header));
        size_ = header.size();
        return {};
    }
    return fail(Errc::storage, "too many segments of one second in " + folder_.string());
}

Result<void> DeliverySegments::write_block()
{
    if (!file_)
        TRY_VOID(start_segment());
    const std::string block = encoder_.take_block(lost_);
    TRY_VOID(write_all(file_.get(), block));
    size_ += block.size();
    lost_ = 0;
    return {};
}

Result<void> DeliverySegments::write_pending()
{
    const std::uint64_t count = encoder_.pending();
    if (count == 0 && lost_ == 0)
        return {};
    const auto written = write_block();
    const bool is_full = size_ >= limits_.segment_bytes ||
                         encoder_.dictionary_bytes() >= limits_.dictionary_bytes ||
                         system_clock::now() - started_ >= limits_.age;
    if (!written) {
        lost_ += count;
        failed_ += count;
    }
    // After a failure the file may end in half a block, and its dictionary lacks what that had.
    if (!written || is_full) {
        file_.reset();
        encoder_ = DeliveryEncoder();
    }
    return written;
}

void DeliverySegments::add(const Delivery& delivery)
{
    encoder_.add(delivery);
    if (encoder_.pending_bytes() < limits_.block_bytes)
        return;
    if (auto written = write_pending(); !written)
        failure_ = std::move(written).error();
}

Result<void> DeliverySegments::flush()
{
    auto written = write_pending();
    if (written && failure_)
        written = tl::unexpected<Error>(*failure_);
    failure_.reset();
    return written;
}

std::size_t DeliverySegments::remove_before(system_clock::time_point oldest) const
{
    std::size_t removed = 0;
    for (const auto& file : segments_in(folder_)) {
        if (last_written(file) >= oldest)
            continue;
        std::error_code error;
        if (std::filesystem::remove(file, error))
            ++removed;
    }
    return removed;
}

namespace {

// Nothing when all of it is older, or it was forgotten while we read.
Result<std::optional<std::string>> read_if_since(const std::filesystem::path& file,
                                                 std::int64_t since_ms)
{
    if (in_ms(last_written(file)) < since_ms)
        return std::nullopt;
    auto bytes = read_file(file, kMaxSegmentBytes);
    if (!bytes && bytes.error().code() == Errc::not_found)
        return std::nullopt;
    if (!bytes)
        return tl::unexpected<Error>(std::move(bytes).error());
    return std::move(*bytes);
}

}  // namespace

Result<DeliveriesFound> find_deliveries(const std::filesystem::path& folder,
                                        const DeliveryQuery& query)
{
    std::error_code error;
    if (!std::filesystem::exists(folder, error))
        return fail(Errc::not_found, "no delivery was ever recorded in " + folder.string());
    auto files = segments_in(folder);
    DeliveriesFound found;
    std::deque<KeptDelivery> newest;
    // Newest segments first: most questions are answered by the last few.
    for (auto file = files.rbegin(); file != files.rend() && !found.is_cut; ++file) {
        TRY(const auto bytes, read_if_since(*file, query.since_ms));
        if (!bytes)
            continue;
        std::deque<KeptDelivery> here;
        const std::size_t room = query.limit - newest.size();
        const auto reading = read_segment(*bytes, [&](const Delivery& delivery) {
            if (!query.matches(delivery))
                return;
            here.push_back(kept(delivery));
            if (here.size() > room) {
                here.pop_front();
                found.is_cut = true;
            }
        });
        if (!reading) {
            const bool is_foreign = reading.error().code() == Errc::stale;
            (is_foreign ? found.foreign_bytes : found.reading.damaged_bytes) += bytes->size();
            continue;
        }
        add(found.reading, *reading);
        newest.insert(newest.begin(), std::make_move_iterator(here.begin()),
                      std::make_move_iterator(here.end()));
    }
    found.deliveries.assign(std::make_move_iterator(newest.begin()),
                            std::make_move_iterator(newest.end()));
    return found;
}

Result<void> each_delivery(const std::filesystem::path& folder, std::int64_t since_ms,
                           const std::function<void(const Delivery&)>& visit)
{
    for (const auto& file : segments_in(folder)) {
        TRY(const auto bytes, read_if_since(file, since_ms));
        if (!bytes)
            continue;
        // A damaged segment hides what it said, and nothing else.
        static_cast<void>(read_segment(*bytes, [&](const Delivery& delivery) {
            if (delivery.time_ms >= since_ms)
                visit(delivery);
        }));
    }
    return {};
}

}  // namespace aptward::store
