// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/room.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "archive/eviction_job.h"
#include "archive/needs.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

constexpr std::uint64_t kRoomLeft = 128ULL << 20;  // for the node itself; guess

}  // namespace

Result<void> Room::look(const std::function<bool()>& goes_on)
{
    if (settings_.quota.bytes() == 0)
        return {};
    Needs needs(services_, remember(services_, settings_.find_archive), goes_on);
    TRY_VOID(needs.find());
    for (const HeldFile& file : needs.files())
        if (file.need >= Need::current)
            needed_bytes_ += file.bytes;
    return {};
}

Result<void> Room::check(std::uint64_t bytes) const
{
    if (bytes == 0)
        return {};
    TRY_VOID(check_disk(bytes));
    return check_quota(bytes);
}

Result<void> Room::check_disk(std::uint64_t bytes) const
{
    struct ::statvfs disk{};
    if (::statvfs(settings_.state.c_str(), &disk) != 0)
        return fail_errno("looking at the disk of " + settings_.state.string(), errno);
    const std::uint64_t room = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    if (room < bytes || room - bytes < kRoomLeft)
        return fail(Errc::storage,
                    fmt::format("no room for {}: {} are free in {}, and {} of them are kept free "
                                "for the node",
                                human_size(bytes), human_size(room), settings_.state.string(),
                                human_size(kRoomLeft)));
    return {};
}

// Down to the low mark a collection goes, and of what is needed as well if it has to.
Result<void> Room::check_quota(std::uint64_t bytes) const
{
    const std::uint64_t quota_bytes = settings_.quota.bytes();
    const auto quota = static_cast<double>(quota_bytes) * kLowWater;
    const std::uint64_t held_bytes = needed_bytes_ + taken_bytes_;
    if (quota_bytes > 0 && static_cast<double>(held_bytes + bytes) > quota)
        return fail(Errc::storage,
                    fmt::format("no room for {}: the quota lets {} stay, and {} of them are held "
                                "and needed",
                                human_size(bytes), human_size(static_cast<std::uint64_t>(quota)),
                                human_size(held_bytes)));
    return {};
}

}  // namespace aptward::archive
