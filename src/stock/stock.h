// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The stock: what this node's clients would want if every source died now, whether it is held, and
// fetching what is not. docs/decisions/0024-warm-stock.md.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "archive/front.h"
#include "archive/jobs.h"
#include "archive/prefetch.h"
#include "stock/closure.h"
#include "stock/machines.h"

namespace aptward::archive {
class MassFetch;
class Pace;
}  // namespace aptward::archive

namespace aptward::stock {

inline constexpr const char* kStock = "stock";

inline constexpr const char* kEverything = "*";

/// A list of packages that is to be held with what they need.
struct List {
    std::string name;
    std::vector<std::string> packages;  ///< "*" alone: everything.
    std::string machine;  ///< On this machine; empty: on one where nothing is installed.
    std::vector<std::string> suites;  ///< "debian/bookworm": then its sources.
    std::string architecture;         ///< Then its architecture; empty: this machine's.
};

/// Who may say what a machine has.
enum class Reports { clients, operators };

struct Settings {
    std::chrono::seconds wait = std::chrono::minutes(10);  ///< A release for its stock; 0: not.
    std::uint64_t budget_bytes = 5'000'000'000;            ///< Fetched at a time; 0: nothing.
    std::uint64_t rate_bytes_per_s = 0;                    ///< On average; 0: no limit.
    Reports reports = Reports::clients;
    std::vector<List> lists;
};

/// What somebody asks of the stock.
struct Query {
    std::vector<std::string> machines, lists;  ///< None of both: all of both.
    /// Asked about on each of them, beside what they want anyway.
    std::vector<std::string> packages;
    bool wants_files = false;  ///< The answer is to name every file, not only those missing.
};
/// Fails with malformed, naming the key. Pure.
Result<Query> parse_query(std::string_view json);

class Stock : public archive::Prefetcher {
public:
    /// All outlive it, and its jobs.
    Stock(archive::Services& services, crypto::Spawner& spawner, archive::Front& front,
          const std::filesystem::path& state, Settings settings);

    /// A reload. Any thread.
    void use(Settings settings);
    std::shared_ptr<const Settings> settings() const { return settings_.load(); }
    const Machines& machines() const { return machines_; }
    /// Where look() is no burden to others, and holds up no release.
    WorkerPool& looking_thread() { return looking_; }
    /// Runs what was put off, when its time has come: until the node stops. Control loop.
    http::Async<void> keep();
    /// Ends what computes soon. Before the loops are gone; any thread.
    void stop();

    bool has_patience() const override;
    http::Async<bool> fetch(std::shared_ptr<archive::Archive> archive, std::string suite,
                            catalog::GenerationPtr next) override;
    void note_shown(const std::string& archive, const std::string& suite) override;

    /// A machine reported: it is kept, and what it wants is fetched. Blocks on the disk; any
    /// thread. Fails as putting it does.
    Result<void> take_report(MachineReport report);

    /// What is held of what each wants. Blocks for seconds a machine; any thread.
    /// Fails with not_found for a machine or list that nobody knows, unavailable when the node
    /// stops; else what went wrong with one of them stands in its place.
    struct Look {
        SubjectStock stock;
        bool is_list = false;
        SystemTime reported{};
        std::string failure;  ///< Nothing could be found out, because; empty: it could.
    };
    Result<std::vector<Look>> look(const Query& query) const;

    /// Fetches what is missing of it all: `aptward stock fetch`.
    archive::Jobs::Kind make_job();

private:
    /// A release that is about to be shown.
    struct Next {
        std::shared_ptr<archive::Archive> archive;
        std::string suite;
        catalog::GenerationPtr generation;
    };
    struct Wanted {
        std::shared_ptr<archive::Archive> archive;
        Needed file;
    };
    struct Plan {
        std::vector<Wanted> missing;  ///< In the order in which it is fetched.
        std::uint64_t bytes = 0;
        std::size_t left_out = 0;            ///< Beyond the budget: the next run brings them.
        std::vector<std::string> too_large;  ///< Paths of those that no run brings.
        std::size_t wanted = 0, held = 0;
        std::vector<std::string> failures;  ///< Machines or lists whose wishes are not known.
        std::vector<std::string> refused;   ///< What lists name and apt would not install, and why.
    };
    class Planning;
    class Work;

    Lookup lookup(const Next* next) const;
    std::optional<NamedView> find_view(const std::string& uri, const Next* next) const;
    /// What "debian/bookworm" in a list means.
    struct ListedSuite {
        std::shared_ptr<archive::Archive> archive;  ///< Null: there is none of this name.
        std::string suite;
        std::vector<std::string> components;  ///< Of the release that is held.
        bool is_held = false;
    };
    ListedSuite find_listed(const std::string& text) const;
    std::string architecture_of(const List& list) const;
    Result<Subject> subject_of_list(const List& list) const;
    Plan plan(const Next* next, const std::function<bool()>& goes_on) const;
    void want_job();
    void start_wanted_job();
    using Files = std::shared_ptr<const std::vector<Needed>>;
    std::shared_ptr<archive::MassFetch> make_fetch(const std::shared_ptr<archive::Archive>& archive,
                                                   const Files& files) const;
    http::Async<bool> are_silent(std::shared_ptr<archive::Archive> archive, SystemTime since);
    http::Async<bool> fetch_all(std::vector<Wanted> missing, SteadyTime deadline);

    archive::Services& services_;
    crypto::Spawner& spawner_;
    archive::Front& front_;
    const Machines machines_;
    std::atomic<std::shared_ptr<const Settings>> settings_;
    const std::shared_ptr<archive::Pace> pace_;  // of all that is fetched here
    std::atomic<bool> is_job_wanted_ = false, is_stopping_ = false;
    std::atomic<SteadyTime> next_job_{SteadyTime{}};  // none of the node's own starts before
    // apt's solver computes for seconds: no workers of clients.
    WorkerPool planning_{1}, looking_{1};
};

}  // namespace aptward::stock
