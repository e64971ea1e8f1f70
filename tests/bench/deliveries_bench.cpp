// SPDX-License-Identifier: GPL-3.0-or-later
// What the delivery record costs a loop per answer: adding at a pace that the recorder keeps up
// with, wall time of add() alone. docs/decisions/0011-deliveries.md has the figure.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "archive/deliveries.h"

using namespace aptward;

namespace {

double cpu_seconds()
{
    ::rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const ::timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main()
{
    constexpr int kRounds = 400, kPerRound = 1000;
    std::string pattern =
        (std::filesystem::temp_directory_path() / "aptward-bench-XXXXXX").string();
    const std::filesystem::path folder = ::mkdtemp(pattern.data());
    {
        auto state = std::move(*catalog::State::open(folder));
        WorkerPool state_thread(1);
        archive::EventLog events(*state, state_thread);
        archive::Deliveries deliveries(folder / "deliveries", std::chrono::hours(1), events);
        std::vector<std::string> paths, digests;
        for (int i = 0; i < 500; ++i) {
            paths.push_back("pool/main/p/package-" + std::to_string(i) +
                            "/package_1.0-1_amd64.deb");
            std::string hex(64, 'a');
            hex.replace(0, std::to_string(i).size(), std::to_string(i));
            digests.push_back(hex);
        }
        std::vector<double> nanoseconds;
        const double cpu_before = cpu_seconds();
        for (int round = 0; round < kRounds; ++round) {
            const SteadyTime started = steady_now();
            for (std::size_t i = 0; i < kPerRound; ++i) {
                const auto now = std::chrono::system_clock::now().time_since_epoch();
                deliveries.add({std::chrono::duration_cast<std::chrono::milliseconds>(now).count(),
                                "192.0.2.17", "debian", paths[i % 500], digests[i % 500], "", "",
                                10'000, 200, true});
            }
            const std::chrono::duration<double, std::nano> taken = steady_now() - started;
            nanoseconds.push_back(taken.count() / kPerRound);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        deliveries.stop();
        const double cpu = cpu_seconds() - cpu_before;
        std::sort(nanoseconds.begin(), nanoseconds.end());
        std::uint64_t bytes = 0;
        for (const auto& entry : std::filesystem::directory_iterator(folder / "deliveries"))
            bytes += entry.file_size();
        std::printf(
            "add(): median %.0f ns, 90%% %.0f ns; whole process %.0f ns of CPU per delivery; "
            "%.1f bytes on disk each; %llu recorded, %llu lost\n",
            nanoseconds[nanoseconds.size() / 2], nanoseconds[nanoseconds.size() * 9 / 10],
            cpu * 1e9 / (kRounds * kPerRound), static_cast<double>(bytes) / (kRounds * kPerRound),
            static_cast<unsigned long long>(deliveries.recorded()),
            static_cast<unsigned long long>(deliveries.lost()));
    }
    std::filesystem::remove_all(folder);
    return 0;
}
