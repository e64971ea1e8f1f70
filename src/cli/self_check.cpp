// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/self_check.h"

#include <fmt/format.h>

#include "cli/apt_root.h"

namespace aptward::cli {
namespace {

// The machine's sources and keys, everything else of its own.
std::string configuration(const AptRoot& root, const std::string& address)
{
    return fmt::format(
        "Dir::State \"{0}/state\";\nDir::State::status \"/var/lib/dpkg/status\";\n"
        "Dir::Cache \"{0}/cache\";\nAcquire::http::Proxy \"http://{1}\";\n"
        "Acquire::https::Proxy \"DIRECT\";\nAPT::Sandbox::User \"\";\n"
        "Acquire::Check-Date \"true\";\nAcquire::Check-Valid-Until \"true\";\n"
        "APT::Update::Pre-Invoke {{ }};\nAPT::Update::Post-Invoke {{ }};\n"
        "APT::Update::Post-Invoke-Success {{ }};\n#clear APT::Update::Post-Invoke;\n"
        "#clear APT::Update::Post-Invoke-Success;\n#clear APT::Update::Pre-Invoke;\n",
        root.path().string(), address);
}

Result<AptRoot::End> update(const std::string& address)
{
    TRY(const AptRoot root, AptRoot::make());
    TRY_VOID(root.configure(configuration(root, address)));
    // On the command line, because the machine's own configuration may name a proxy or ask a
    // program for one, and would win over a file.
    return root.run({"/usr/bin/apt-get", "update", "-q", "-o",
                     "Acquire::http::Proxy=http://" + address, "-o",
                     "Acquire::http::Proxy-Auto-Detect=", "-o", "Acquire::http::ProxyAutoDetect="});
}

}  // namespace

std::string check_with_apt(const std::string& address)
{
    const auto end = update(address);
    if (!end)
        return "self-check: not possible: " + end.error().message();
    if (end->is_good())
        return fmt::format(
            "self-check: a real apt-get update through this node succeeded in {:.1f} s\n",
            end->seconds);
    return fmt::format(
        "self-check: apt-get update through this node {} (exit status {}); apt said:\n\n{}",
        end->status == 0 ? "had warnings" : "failed", end->status, end->said);
}

}  // namespace aptward::cli
