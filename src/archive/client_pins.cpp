// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/client_pins.h"

namespace aptward::archive {

ClientPins::Shard& ClientPins::shard(const std::string& key)
{
    return shards_[std::hash<std::string>()(key) % shards_.size()];
}

const ClientPins::Shard& ClientPins::shard(const std::string& key) const
{
    return shards_[std::hash<std::string>()(key) % shards_.size()];
}

void ClientPins::note(const std::string& client, const std::string& suite,
                      const std::string& generation)
{
    const std::string key = client + " " + suite;
    const SteadyTime now = steady_now();
    Shard& mine = shard(key);
    const std::lock_guard lock(mine.mutex);
    if (mine.pins.size() >= kMostPerShard)
        std::erase_if(mine.pins, [now](const auto& entry) { return entry.second.until < now; });
    if (mine.pins.size() >= kMostPerShard)
        mine.pins.clear();  // a flood of addresses costs coherence for minutes, never memory
    mine.pins[key] = {generation, now + kKept};
}

std::string ClientPins::find(const std::string& client, const std::string& suite) const
{
    const std::string key = client + " " + suite;
    const Shard& mine = shard(key);
    const std::lock_guard lock(mine.mutex);
    const auto found = mine.pins.find(key);
    return found == mine.pins.end() || found->second.until < steady_now()
               ? std::string()
               : found->second.generation;
}

std::set<std::pair<std::string, std::string>> ClientPins::holders(
    const std::set<std::string>& generations) const
{
    std::set<std::pair<std::string, std::string>> found;
    for (const Shard& mine : shards_) {
        const std::lock_guard lock(mine.mutex);
        for (const auto& [key, pin] : mine.pins)
            if (generations.count(pin.generation) > 0)
                found.emplace(key.substr(0, key.find(' ')), key.substr(key.find(' ') + 1));
    }
    return found;
}

}  // namespace aptward::archive
