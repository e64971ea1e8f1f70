// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/hot_answers.h"

#include <unordered_map>

namespace aptward::archive {
namespace {

struct Entry {
    std::uint64_t moment = 0;
    HotAnswerPtr answer;
    std::weak_ptr<const store::HotBlob> blob;
};

struct TargetHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view target) const
    {
        return std::hash<std::string_view>()(target);
    }
};
using Entries = std::unordered_map<std::string, Entry, TargetHash, std::equal_to<>>;

Entries& own_entries()
{
    thread_local Entries entries;
    return entries;
}

// No two moments of a process are the same, so that no set is taken for another node's.
std::uint64_t next_moment()
{
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

}  // namespace

void HotAnswers::forget()
{
    moment_.store(next_moment(), std::memory_order_release);
}

std::optional<HotAnswers::Found> HotAnswers::find(std::string_view target) const
{
    Entries& entries = own_entries();
    const auto found = entries.find(target);
    if (found == entries.end())
        return std::nullopt;
    auto blob = found->second.blob.lock();
    if (blob == nullptr || found->second.moment != moment() || !blob->is_still_right()) {
        entries.erase(found);
        return std::nullopt;
    }
    blob->was_used = true;
    return Found{found->second.answer, std::move(blob)};
}

void HotAnswers::keep(std::string_view target, std::uint64_t moment, HotAnswer answer,
                      const store::HotBlobPtr& blob) const
{
    Entries& entries = own_entries();
    if (entries.size() >= kMostHotAnswers)
        entries.clear();  // made again at the price of one ordinary answer each
    auto kept = std::make_shared<const HotAnswer>(std::move(answer));
    entries.insert_or_assign(std::string(target), Entry{moment, std::move(kept), blob});
}

}  // namespace aptward::archive
