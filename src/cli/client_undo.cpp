// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward client undo`: every original back, byte for byte, everything else gone. apt's
// configuration goes first: apt must never be told to ask a program that is no longer there.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/file.h"
#include "cli/client_parts.h"
#include "cli/client_peer.h"
#include "cli/client_setup.h"
#include "cli/commands.h"
#include "crypto/crypto.h"

namespace aptward::cli {

using node::below;
using node::ClientFile;

namespace {

constexpr std::uint64_t kMaxFileBytes = 8 << 20;

// What became of one file.
enum class Undone { restored, edited };

Result<Undone> take_back(const std::filesystem::path& root, const ClientFile& file)
{
    const std::filesystem::path place = below(root, file.path);
    const auto now = read_file(place, kMaxFileBytes);
    if (!now && now.error().code() != Errc::not_found)
        return tl::unexpected<Error>(now.error());
    const bool is_ours = now && crypto::digest_of(*now).hex() == file.written_hex;
    if (file.original.empty()) {
        std::error_code error;
        std::filesystem::remove(place, error);
        if (error)
            return fail(Errc::storage, "removing " + place.string() + ": " + error.message());
        return Undone::restored;
    }
    TRY(const std::string original,
        read_file(below(root, node::kClientFolder) / file.original, kMaxFileBytes));
    if (now && *now == original)
        return Undone::restored;  // never written, or taken back before
    if (!is_ours)
        return Undone::edited;
    TRY_VOID(write_file_as(place, original, {file.mode, file.user, file.group}));
    return Undone::restored;
}

}  // namespace

int client_undo(const std::filesystem::path& root)
{
    auto manifest = node::read_client_manifest(root);
    if (!manifest && manifest.error().code() == Errc::not_found) {
        fmt::print("this machine is not set up; nothing to undo\n");
        return kOk;
    }
    if (!manifest) {
        std::fprintf(stderr, "aptward: %s\n", manifest.error().message().c_str());
        return kUnknown;
    }
    std::partition(manifest->files.begin(), manifest->files.end(),
                   [](const ClientFile& file) { return file.path == kAptConfFile; });
    std::vector<std::string> edited;
    bool is_ended = manifest->peer_hosts.empty();
    for (const ClientFile& file : manifest->files) {
        // apt asks it no more, and its unit is still there.
        if (file.path != kAptConfFile && !std::exchange(is_ended, true))
            end_peer(root);
        const auto undone = take_back(root, file);
        if (!undone) {
            std::fprintf(stderr, "aptward: %s; run undo again\n", undone.error().message().c_str());
            return kUnknown;
        }
        if (*undone == Undone::edited)
            edited.push_back(
                fmt::format("{} was edited since setup and stays as it is; its "
                            "original is {}/{}",
                            file.path, node::kClientFolder, file.original));
        else
            fmt::print("{} {}\n", file.original.empty() ? "removed" : "restored", file.path);
    }
    if (!manifest->peer_hosts.empty())
        forget_peer(root);
    for (const std::string& sentence : edited)
        std::fprintf(stderr, "aptward: %s\n", sentence.c_str());
    if (!edited.empty())
        return kNo;
    std::error_code error;
    std::filesystem::remove_all(below(root, node::kClientFolder), error);
    if (error) {
        std::fprintf(stderr, "aptward: removing %s: %s\n", node::kClientFolder,
                     error.message().c_str());
        return kUnknown;
    }
    return kOk;
}

}  // namespace aptward::cli
