// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// apt-cacher-ng's configuration, and what it means for a node. Pure: files are read by the caller.
// Spec: apt-cacher-ng's manual, "Advanced Server Configuration" (Remap-..., list files).

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace aptward::node {

/// "Remap-NAME: MERGED ; TARGETS ; OPTIONS"; lines of one name are joined. Entries are as written,
/// "file:LIST" too.
struct AcngRemap {
    std::string name;
    std::vector<std::string> merged, targets, options;
};

struct AcngRules {
    std::vector<AcngRemap> remaps;
    std::vector<std::string> pass_through;  ///< Patterns of PassThroughPattern.
    std::string port, bind_address, proxy;
    std::vector<std::string> unused;  ///< "Key: value" of everything else.
};

/// Adds one file's rules. Unknown keys and broken lines never fail.
void read_acng_conf(std::string_view text, AcngRules& rules);

/// The URLs of a list file: the first word of each line that is no comment.
std::vector<std::string> read_acng_list(std::string_view text);

/// One rule as a node would have it.
struct AcngArchive {
    std::string id, rule;
    std::vector<std::string> hosts, upstreams, keyrings;
    std::string proxy;
    std::vector<std::string> snapshots{};  ///< As the key of that name.
};

struct AcngTranslation {
    std::string listen, proxy;
    std::vector<AcngArchive> archives;  ///< Those without keyrings need the operator.
    std::vector<std::string> connect_hosts;
    std::vector<std::string> untranslated;  ///< One sentence each.
};

/// The [[archive]] lines for aptward.toml; commented out while no keyring is known. Pure.
std::string stanza(const AcngArchive& archive);

/// What stands behind "file:NAME": all URLs of the files that it names; empty when there is none.
using ReadAcngList = std::function<std::vector<std::string>(const std::string& name)>;
/// The keyrings of "debian" or "ubuntu" on this machine; empty when they are not installed.
using FindKeyrings = std::function<std::vector<std::string>(const std::string& vendor)>;

AcngTranslation translate_acng(const AcngRules& rules, const ReadAcngList& read_list,
                               const FindKeyrings& find_keyrings);

/// A whole aptward.toml. It is accepted as it is: what needs the operator is commented out.
std::string acng_toml(const AcngTranslation& translation);

}  // namespace aptward::node
