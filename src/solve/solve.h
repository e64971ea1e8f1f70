// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of solve/: what an apt would fetch, worked out by apt's own library (libapt-pkg) from
// what a machine says of itself and what the vendors' releases list. It decides nothing about
// trust: it names packages, and whoever asked looks their digests up in what was proven.
//
// What machines and vendors write is foreign to that library's caller, and the library keeps its
// configuration in globals: so it runs in a confined child, this program itself.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "crypto/crypto.h"

namespace aptward::solve {

/// A suite as a machine's sources name it, with what apt would have of it after an update.
struct Suite {
    std::string uri;   ///< "http://deb.debian.org/debian": pins by origin look at it.
    std::string name;  ///< "bookworm"; of a flat repository its path: "dir/", "/"
    std::vector<std::string> components;  ///< None: flat.
    std::string release;                  ///< The signed text of its Release.
    struct Index {
        std::string path;  ///< "main/binary-amd64/Packages.xz": the suffix says how it is packed.
        Fd file;
    };
    std::vector<Index> indexes;
};

/// What a machine says of itself. Hostile.
struct Machine {
    std::string architecture;
    std::vector<std::string> foreign_architectures;
    std::string status;                           ///< dpkg's; empty: nothing is installed.
    std::string extended_states;                  ///< apt's: what was installed for others only.
    std::vector<std::string> preferences;         ///< Texts of apt's preferences, in its order.
    std::map<std::string, std::string> settings;  ///< Of known_settings().
    std::string id;  ///< /etc/machine-id: decides which phased updates it gets.
};

/// The settings of apt that change what it installs: "APT::Install-Recommends" and others.
const std::vector<std::string>& known_settings();

struct Question {
    enum class Kind {
        upgrade,    ///< What `apt-get dist-upgrade` would fetch now.
        installed,  ///< What is installed, in the versions that are installed.
        install,    ///< What `apt-get install PACKAGES` would fetch now.
    };
    Kind kind = Kind::upgrade;
    std::vector<std::string> packages;  ///< For install: "nginx", "libc6:i386", "vim=2:9.0", ...
};

/// A version of a package that an archive lists.
struct Package {
    std::string name, version, architecture;
    struct Place {
        std::size_t suite = 0;  ///< Of those that were given.
        std::string path;       ///< As the index writes it.
    };
    std::vector<Place> places;  ///< Equal copies; the first that apt would take.
};

/// An update that its vendor gives to a share of machines only, and to this one not yet.
struct PhasedOut {
    std::string name, version;
    unsigned percentage = 0;
};

struct Answer {
    std::string why_not;             ///< Why apt would refuse; empty: it would not.
    std::vector<std::size_t> needs;  ///< Numbers in Solution::packages.
    std::vector<std::string> removes;
    std::vector<std::string> unlisted;  ///< Installed, in a version that no index lists.
    std::vector<PhasedOut> phased_out;  ///< For upgrade.
};

struct Solution {
    std::vector<Package> packages;
    std::vector<Answer> answers;  ///< One to each question.
};

/// Asks a confined child. Blocks, some seconds for an archive like Debian's; any thread.
/// Fails with malformed when the machine's files are none that apt takes, unavailable when the
/// child could not be started, ran out of its limits or died, storage.
Result<Solution> solve(crypto::Spawner& spawner, const Machine& machine,
                       const std::vector<Suite>& suites, const std::vector<Question>& questions);

/// The child: reads the folder that solve() made and writes the answer to descriptor 3.
/// The process' exit status.
int run_solver(const std::filesystem::path& folder);

}  // namespace aptward::solve
