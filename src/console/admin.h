// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The admin port: health, metrics, status, events, and what may be changed.

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "archive/front.h"
#include "http/server.h"

namespace aptward::console {

/// What the admin port can do to the node; set by node/.
struct AdminActions {
    std::function<Result<void>()> reload;
};

class Admin {
public:
    Admin(archive::Services& services, archive::Front& front, const http::Loops& loops)
        : services_(services), front_(front), loops_(loops)
    {
    }

    void set_ready(bool is_ready) { is_ready_ = is_ready; }
    void set_notes(std::vector<std::string> notes) { notes_ = std::move(notes); }
    void set_writers(std::vector<::uid_t> uids) { writers_ = std::move(uids); }
    void set_actions(AdminActions actions) { actions_ = std::move(actions); }

    /// Any loop.
    http::Async<void> answer(http::Exchange& exchange);

    /// The status document, schema in docs/formats/status.md.
    http::Async<std::string> status();

private:
    http::Async<std::string> metrics();
    http::Async<std::string> events(std::string query);
    http::Async<void> change(http::Exchange& exchange);
    http::Async<void> approve_keys(http::Exchange& exchange, std::string body);
    std::shared_ptr<archive::Archive> find_archive(const std::string& id) const;
    bool may_write(const http::Principal& principal) const;

    archive::Services& services_;
    archive::Front& front_;
    const http::Loops& loops_;
    std::atomic<bool> is_ready_ = false;
    std::vector<std::string> notes_;
    std::vector<::uid_t> writers_;
    AdminActions actions_;
};

/// One archive as the admin port shows it.
struct ArchiveReport {
    std::shared_ptr<archive::Archive> archive;
    std::vector<archive::SuiteReport> suites;
    std::vector<archive::ProposedKey> proposed_keys;
    std::set<std::string> approved_keys;
    std::vector<fetch::SourceReport> sources;
};

/// Gathers what the archives know, from the loops that own it. Any loop.
http::Async<std::vector<ArchiveReport>> gather(archive::Services& services,
                                               std::shared_ptr<const archive::Routes> routes);

/// Prometheus exposition text, made by prometheus-cpp.
std::string render_metrics(const std::vector<ArchiveReport>& archives,
                           const archive::Services& services, std::size_t connections);

}  // namespace aptward::console
