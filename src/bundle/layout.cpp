// SPDX-License-Identifier: GPL-3.0-or-later
#include "bundle/layout.h"

#include "bundle/tar_header.h"

namespace aptward::bundle {
namespace {

std::uint64_t behind(std::uint64_t at, std::uint64_t size_bytes)
{
    return at + size_bytes + tar_padding(size_bytes);
}

}  // namespace

Layout::Layout(std::uint64_t note_bytes, const Manifest& manifest, std::uint64_t manifest_bytes)
    : manifest_at_(behind(kTarBlock, note_bytes) + kTarBlock),
      end_at_(behind(manifest_at_, manifest_bytes))
{
    members_at_.reserve(manifest.members.size());
    for (const Member& member : manifest.members) {
        members_at_.push_back(end_at_ + kTarBlock);
        end_at_ = behind(members_at_.back(), member.digest.size_bytes);
    }
}

std::uint64_t Layout::stream_bytes() const
{
    return end_at_ + kTarEnd;
}

}  // namespace aptward::bundle
