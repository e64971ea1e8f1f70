// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Where everything is in the unpacked stream of a bundle: it follows from the sizes alone. Private
// to bundle/. Pure.
//
//     header note 0.. | header manifest 0.. | header member 0.. | ... | two blocks of zeros

#include <cstdint>
#include <vector>

#include "bundle/bundle.h"

namespace aptward::bundle {

inline constexpr const char* kNoteName = "aptward-bundle.note";
inline constexpr const char* kManifestName = "manifest.json";

class Layout {
public:
    Layout(std::uint64_t note_bytes, const Manifest& manifest, std::uint64_t manifest_bytes);

    /// Of the manifest, and of a member: where its bytes begin; its header is in front of them.
    std::uint64_t manifest_at() const { return manifest_at_; }
    std::uint64_t member_at(std::size_t number) const { return members_at_[number]; }
    std::uint64_t end_at() const { return end_at_; }
    std::uint64_t stream_bytes() const;

private:
    std::uint64_t manifest_at_, end_at_;
    std::vector<std::uint64_t> members_at_;
};

}  // namespace aptward::bundle
