// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What the parts of `aptward drill` share. Private to cli/.

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "archive/outage_trace.h"
#include "base/result.h"

namespace aptward::cli {

struct DrillPackage {
    std::string name, version;
};

/// What the node says of an archive, for clients to try.
struct DrillStock {
    std::string archive, address, architecture, keyring;
    bool is_verified = true;
    std::vector<std::string> suites;  ///< "stable main contrib", as in sources.list
    std::size_t listed = 0, held = 0, sources = 0;
    std::vector<DrillPackage> some_held, some_missing;
    nlohmann::json would_be_missed;
};
/// `packages`: at most so many of each kind; 0: all. `address`: of the node, for clients; empty: as
/// the node says. Fails with unavailable, or as the node does.
Result<DrillStock> ask_stock(const std::string& admin, const std::string& archive,
                             std::size_t packages, const std::string& address);

/// A drill of the running node; ends with this object, and without it after `seconds`.
class OrderedDrill {
public:
    /// `sources`: "first", "all", or a list of URLs. `is_alone`: other nodes and the blob service
    /// give nothing meanwhile either. Fails as the node does, or with unavailable.
    static Result<OrderedDrill> start(const std::string& admin, const std::string& archive,
                                      const std::string& fault, const nlohmann::json& sources,
                                      bool is_alone, std::int64_t seconds);
    OrderedDrill(OrderedDrill&& other) noexcept;
    OrderedDrill& operator=(OrderedDrill&&) = delete;
    ~OrderedDrill();

    std::size_t disturbed() const { return disturbed_; }
    /// Whether somebody besides the sources may give what the node does not hold.
    bool has_others() const { return has_others_; }
    /// Once. How many transfers of the node met it. Fails with stale when it was over already: what
    /// was tried proves nothing then.
    Result<std::uint64_t> end();

private:
    OrderedDrill(std::string admin, std::int64_t number, std::size_t disturbed, bool has_others)
        : admin_(std::move(admin)), number_(number), disturbed_(disturbed), has_others_(has_others)
    {
    }
    std::string admin_;  // empty: somebody else ends it
    std::int64_t number_;
    std::size_t disturbed_;
    bool has_others_;
};

/// What a fresh client got.
struct ClientEnd {
    bool has_updated = false;
    std::size_t wanted = 0, got = 0;
    std::vector<DrillPackage> lacking;
    std::vector<std::string> why;  ///< apt's own words
    double seconds = 0;
};

/// One apt without lists: updates, and downloads packages by name and version.
class DrillClient {
public:
    /// Fails with storage.
    static Result<DrillClient> make(const DrillStock& stock);
    ~DrillClient();
    DrillClient(DrillClient&& other) noexcept;
    DrillClient& operator=(DrillClient&&) = delete;

    /// Updates first, if it has not.
    Result<ClientEnd> get(const std::vector<DrillPackage>& packages);

private:
    struct State;
    explicit DrillClient(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Whether the user wants to stop.
bool is_drill_interrupted();

struct DrillOptions {
    std::string archive, address;
    std::vector<std::string> sources;  ///< Instead of the first one.
    std::size_t packages = 10;
    std::int64_t seconds = 120;  ///< After so many the node ends what nobody has ended.
    bool is_alone = false;       ///< Nothing from other nodes or the blob service.
    bool is_json = false;
};

/// Plays a recorded outage, `speed` times as fast; the exit status.
int replay(const std::string& admin, const archive::OutageTrace& trace, double speed,
           const DrillOptions& options);

}  // namespace aptward::cli
