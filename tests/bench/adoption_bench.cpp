// SPDX-License-Identifier: GPL-3.0-or-later
// What the adoption of one index costs without the network: read, unpack, check, scan, build and
// write its table, open it. docs/decisions/0012-adoption.md has the figures.
//
//   bench_adoption [PACKAGES.gz|PACKAGES.xz]     of a file, or of one it makes up (gz)
//
// The phases are measured one by one on one processor; the whole is what the node does.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <vector>

#include "../packing.h"
#include "archive/index_table.h"
#include "base/clock.h"
#include "base/pages.h"
#include "catalog/table.h"
#include "crypto/crypto.h"
#include "deb/deb.h"

using namespace aptward;

namespace {

constexpr int kRounds = 7;

template <class T>
T must(Result<T> result)
{
    if (result)
        return std::move(*result);
    std::fprintf(stderr, "%s\n", result.error().message().c_str());
    std::exit(3);
}

void must(const Result<void>& result)
{
    if (result)
        return;
    std::fprintf(stderr, "%s\n", result.error().message().c_str());
    std::exit(3);
}

// 64,000 records of the shape and size of Debian's: 790 bytes each, of which a tenth is hashes.
std::string make_packages()
{
    std::mt19937_64 random(20260430);
    const auto word = [&](const char* letters, std::size_t kinds, std::size_t size) {
        std::string text;
        while (text.size() < size)
            text += letters[random() % kinds];
        return text;
    };
    std::string text;
    for (int i = 0; i < 64'000; ++i) {
        const std::string name = "package-" + std::to_string(i) + word("abcdefgh", 8, 6);
        const std::string digits = word("0123456789abcdef", 16, 64);
        text += "Package: " + name + "\nVersion: 1." + std::to_string(random() % 99) +
                "-1\nInstalled-Size: " + std::to_string(random() % 99999) +
                "\nMaintainer: Debian Something Maintainers <team+" + name +
                "@tracker.debian.org>\nArchitecture: amd64\nDepends: libc6 (>= 2.34), "
                "libgcc-s1 (>= 3.0), libstdc++6 (>= 11), lib" +
                word("abcdefgh", 8, 9) +
                " (>= 1.2)\nDescription: " + word("etaoin shrdlu", 13, 60) +
                "\nHomepage: https://" + name +
                ".example/\nDescription-md5: " + word("0123456789abcdef", 16, 32) +
                "\nTag: implemented-in::c++, role::program, uitoolkit::gtk, use::organizing, "
                "works-with::software:package, " +
                word("abcdefgh:", 9, 90) +
                "\nSection: utils\nPriority: optional\nFilename: pool/main/p/" + name + "/" + name +
                "_1.0-1_amd64.deb\nSize: " + std::to_string(1000 + random() % 999999) +
                "\nMD5sum: " + word("0123456789abcdef", 16, 32) + "\nSHA256: " + digits + "\n\n";
    }
    return text;
}

std::uint64_t size_of(const Fd& file)
{
    struct ::stat status{};
    ::fstat(file.get(), &status);
    return static_cast<std::uint64_t>(status.st_size);
}

/// Median milliseconds of each thing measured, in the order in which they came.
class Phases {
public:
    void measure(const std::string& name, const std::function<void()>& job)
    {
        const SteadyTime started = steady_now();
        job();
        const std::chrono::duration<double, std::milli> taken = steady_now() - started;
        if (taken_.count(name) == 0)
            order_.push_back(name);
        taken_[name].push_back(taken.count());
    }
    void print()
    {
        for (const std::string& name : order_) {
            std::vector<double>& all = taken_[name];
            std::sort(all.begin(), all.end());
            std::printf("%-28s %7.1f ms  (%.1f to %.1f)\n", name.c_str(), all[all.size() / 2],
                        all.front(), all.back());
        }
    }

private:
    std::vector<std::string> order_;
    std::map<std::string, std::vector<double>> taken_;
};

void run(const Fd& packed, archive::PackedIndex index, const std::filesystem::path& folder)
{
    WorkerPool pool(2);
    Phases phases;
    for (int round = 0; round < kRounds; ++round) {
        const auto target = folder / (std::to_string(round) + ".table");
        phases.measure("the whole", [&] {
            // As in the node: a job of the pool.
            std::atomic<bool> is_done = false;
            pool.post([&] {
                must(archive::build_table(packed, index, target, pool));
                is_done = true;
                is_done.notify_one();
            });
            is_done.wait(false);
            must(catalog::Table::open(target));
        });
        Pages bytes(index.digest.size_bytes), text(index.plain->size_bytes);
        phases.measure("  read", [&] { must(read_all_at(packed.get(), bytes.span(), 0)); });
        phases.measure("  unpack", [&] {
            must(deb::decompress_exactly(bytes.view(), deb::compression_of(index.path), text.span(),
                                         [](std::size_t) {}));
        });
        phases.measure("  hash", [&] { crypto::digest_of(text.view()); });
        phases.measure("  scan alone", [&] {
            std::size_t files = 0;
            must(deb::scan_packages(text.view(), [&](const deb::PoolFile&) { ++files; }));
        });
        std::string table;
        phases.measure("  scan and build", [&] {
            catalog::TableBuilder builder(text.size() / 6);
            must(deb::scan_packages(text.view(), [&](const deb::PoolFile& file) {
                builder.add(file.path, file.digest);
            }));
            table = must(std::move(builder).finish());
        });
        const auto again = folder / "again.table";
        phases.measure("  write durably", [&] { must(write_file_durably(again, table)); });
        phases.measure("  open", [&] { must(catalog::Table::open(again)); });
    }
    phases.print();
}

}  // namespace

int main(int count, char** arguments)
{
    std::string pattern =
        (std::filesystem::temp_directory_path() / "aptward-bench-XXXXXX").string();
    const std::filesystem::path folder = ::mkdtemp(pattern.data());
    {
        std::filesystem::path path = folder / "Packages.gz";
        if (count > 1)
            path = arguments[1];
        else
            must(write_file_durably(path, gzip(make_packages())));
        const std::string bytes = must(read_file(path, 1ULL << 30));
        const std::string plain =
            must(deb::decompress(bytes, deb::compression_of(path.string()), 1ULL << 30));
        archive::PackedIndex index{"main/binary-amd64/Packages" + path.extension().string(),
                                   crypto::digest_of(bytes), crypto::digest_of(plain)};
        const Fd packed(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        std::printf("%s: %.1f MB, unpacked %.1f MB; median of %d\n", path.c_str(),
                    static_cast<double>(size_of(packed)) / 1e6,
                    static_cast<double>(plain.size()) / 1e6, kRounds);
        run(packed, std::move(index), folder);
    }
    std::filesystem::remove_all(folder);
    return 0;
}
