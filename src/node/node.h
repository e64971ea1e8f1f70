// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// One running node: everything wired together, in the order in which it starts and stops.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/state.h"
#include "crypto/crypto.h"
#include "node/config.h"

namespace aptward::node {

class Node {
public:
    /// Starts everything: state, sources, archives restored from the disk, listeners. Nothing is
    /// left running on failure. `spawner` was started before any thread and outlives the node.
    static Result<std::unique_ptr<Node>> start(Config config, crypto::Spawner& spawner);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// The addresses clients reach it at, with real ports; and the admin's.
    std::vector<std::string> addresses() const;
    std::string admin_address() const;

    /// Fetches the suites that the configuration names, all at once; blocks until each is served or
    /// has failed, at most `limit` and until `is_cancelled`, which is asked all the time.
    /// `progress` gets the number done and of all.
    void refresh_known(std::chrono::seconds limit,
                       const std::function<void(std::size_t, std::size_t)>& progress,
                       const std::function<bool()>& is_cancelled);

    /// Serves what a bundle carries (`signers`: who may have signed it; none: anybody): its
    /// releases and indexes are taken in, its packages are read from the file when somebody asks
    /// for them. Blocks until the job that does the first is over or `is_cancelled`. `progress`
    /// gets the bytes done and of all. Fails with stale when it was cancelled, unavailable when the
    /// node is stopping.
    Result<catalog::JobRecord> serve_bundle(
        const std::filesystem::path& file, const std::vector<std::string>& signers,
        const std::function<void(std::uint64_t, std::uint64_t)>& progress,
        const std::function<bool()>& is_cancelled);

    /// Takes over the archives, client rules and listeners of a new configuration, or refuses it
    /// whole and goes on with the old one; the log names the keys that wait for a restart. Fails
    /// with untrusted, naming the current generations that the new keys would not accept, and as
    /// starting does where an address cannot be had.
    Result<void> reload(Config config);

    /// The files that hold the archives' keys; a change of one calls for a reload. Any thread.
    std::vector<std::string> keyring_files() const;

    /// The JSON that `/api/v1/status` gives.
    std::string status_json();

    /// Ends running answers, saves what was learned, lets go of the state.
    void stop();

private:
    struct Parts;
    explicit Node(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace aptward::node
