// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/own_heads.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace aptward::peer {
namespace {

constexpr std::size_t kLongestSuite = 120;  // so that kMostHeads fit a note

}  // namespace

std::vector<Head> heads_of(const std::vector<std::shared_ptr<archive::Archive>>& archives)
{
    std::vector<Head> heads;
    for (const auto& archive : archives)
        for (const auto& [suite, generation] : archive->given_releases()) {
            const catalog::ReleaseFiles& files = generation->files();
            Head head{generation->id(),
                      generation->date(),
                      !files.inrelease.empty(),
                      !files.release.empty() && !files.release_gpg.empty(),
                      suite,
                      archive->settings().id};
            const bool has_files = head.has_inrelease || head.has_detached;
            if (has_files && suite.size() <= kLongestSuite && can_be_told(head))
                heads.push_back(std::move(head));
        }
    std::sort(heads.begin(), heads.end(), [](const Head& a, const Head& b) {
        return std::tie(b.date, a.suite, a.id) < std::tie(a.date, b.suite, b.id);
    });
    if (heads.size() > kMostHeads)
        heads.resize(kMostHeads);
    return heads;
}

std::shared_ptr<const OwnHeads::Announced> OwnHeads::now(
    const std::vector<std::shared_ptr<archive::Archive>>& archives, std::uint64_t have,
    std::vector<std::string> torrents)
{
    auto heads = heads_of(archives);
    const std::lock_guard lock(mutex_);
    if (announced_ != nullptr && heads == heads_ && have == have_ && torrents == torrents_)
        return announced_;
    heads_ = heads;
    have_ = have;
    torrents_ = torrents;
    const Heads all{key_.verifier(), run_, ++number_, std::move(heads), have, std::move(torrents)};
    announced_ = std::make_shared<const Announced>(Announced{
        tlog::to_string(key_.sign(to_text(all))), fmt::format("\"{}-{}\"", run_, all.number)});
    return announced_;
}

}  // namespace aptward::peer
