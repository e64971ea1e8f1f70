// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Hosts that clients asked for and no archive claims: counted, so that an operator sees which
// stanzas are missing.

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace aptward::archive {

/// Any thread; one lock, on the way of refused and passed requests only. Bounded.
class Strangers {
public:
    struct Place {
        std::string host;    ///< "ppa.example", "mirror.example:8080"
        std::string folder;  ///< What stands before "/dists/" or "/pool/", else the first folder.
        bool is_https = false;
        std::uint64_t requests = 0;
        std::set<std::string> clients;  ///< Addresses, at most kMostClients.
        SystemTime last{};
    };
    static constexpr std::size_t kMostPlaces = 500, kMostClients = 1000;

    void note(const std::string& host, const std::string& path, bool is_https,
              const std::string& client, SystemTime now);

    /// Those with the most clients first.
    std::vector<Place> all() const;

    /// One line a place, for the state; and back. What does not parse is left out.
    std::string save() const;
    void restore(std::string_view text);

private:
    mutable std::mutex mutex_;
    std::map<std::string, Place> places_;  // by URL
};

/// The folder of an archive that a path lies in, as far as the path tells. Pure.
std::string archive_folder(std::string_view path);

}  // namespace aptward::archive
