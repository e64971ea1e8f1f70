// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Who asks, and what a listener demands of them. Pure but for reading the file of tokens.
// Design: docs/decisions/0009-listeners-and-roles.md

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace aptward::http {

/// What a principal may do: each role includes the ones before it.
enum class Role : std::uint8_t { none, viewer, operating, admin };

/// "viewer", "operator", "admin"; nothing for anything else.
std::optional<Role> parse_role(std::string_view text);
std::string_view to_string(Role role);

/// What a listener demands, and how a principal was recognised.
enum class Authentication : std::uint8_t { none, peer, token, mtls };

struct Principal {
    std::string address;  ///< "192.0.2.7", "2001:db8::1", or "unix"
    bool is_local_socket = false;
    ::uid_t uid = 0;   ///< From the kernel; valid when is_local_socket.
    std::string name;  ///< Of the token, or the certificate's common name; else empty.
    Role role = Role::viewer;
    Authentication recognised_by = Authentication::none;
    bool may_show_token = false;  ///< The listener takes tokens: 401 rather than 403.

    /// For the record of changes: "uid 0", "token alice", "certificate web1", or the address.
    std::string who() const;
};

using TokenHash = std::array<std::uint8_t, 32>;
TokenHash hash_token(std::string_view token);

/// The names that a file of tokens lists, with their roles. Immutable.
class Tokens {
public:
    /// Reads lines `ROLE NAME SHA256` (a token) and `ROLE NAME cert` (a client certificate's
    /// common name); blank lines and those that start with '#' are skipped. Fails with malformed,
    /// naming the line. Pure.
    static Result<Tokens> parse(std::string_view text);
    /// Fails with malformed, naming file and line, or as read_file does.
    static Result<Tokens> load(const std::filesystem::path& file);

    struct Entry {
        Role role = Role::viewer;
        std::string name;
        std::optional<TokenHash> hash;  ///< Absent: a certificate.
    };
    /// The entry of a token. Looks at every entry in constant time each: what an attacker could
    /// measure says nothing about the hashes.
    const Entry* find_token(std::string_view token) const;
    const Entry* find_certificate(std::string_view common_name) const;

private:
    std::vector<Entry> entries_;
};

class TlsServer;

/// What a listener demands, of one configuration. Immutable; replaced whole at a reload.
struct Admission {
    Authentication authentication = Authentication::none;
    Role role = Role::viewer;  ///< Of whoever the listener cannot tell more about.
    std::shared_ptr<const Tokens> tokens;
    std::shared_ptr<const TlsServer> tls;  ///< Null: plain
    std::vector<::uid_t> admins;           ///< Peers with every right, besides root and our user.
};

/// Where a listener keeps its present admission; connections look at each request.
using Door = std::atomic<std::shared_ptr<const Admission>>;

/// The principal of one request: of the connection's peer credentials or client certificate, or of
/// the token that the request shows: `Authorization: Bearer TOKEN`, or Basic with the token as
/// password, which is what apt can send (auth.conf). Proxy-Authorization counts as well; in a
/// proxied request it is the only one, because Authorization belongs to the archive there.
/// `connection` has the name of a verified certificate and is recognised_by mtls, if there was one.
/// Fails with untrusted when a token is unknown, or what the listener demands is missing.
Result<Principal> admit(const Admission& admission, const Principal& connection,
                        const RequestHead& head);

}  // namespace aptward::http
