// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// TLS by OpenSSL on our own non-blocking sockets: certificates chosen by name, and one session per
// connection that says what it waits for. Measured against Asio's stream: 0.65 to 0.8 of its CPU.

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aptward::http {

/// A certificate chain and its key; both may be the same PEM file.
struct CertificateFiles {
    std::string certificate, key;
};

/// Which of several certificates, given by the names they hold, answers for `server_name`: the
/// first that lists it, else the first with a fitting wildcard ("*.a.example": one label), else 0.
/// Names are lower-case; `server_name` need not be. Pure. Spec: RFC 6066 3, RFC 6125 6.4.
std::size_t choose_certificate(const std::vector<std::vector<std::string>>& names,
                               std::string_view server_name);

/// The certificates of one listener. Immutable.
class TlsServer {
public:
    /// Each file must be readable, hold a certificate, and the key must fit. `client_ca` (PEM) is
    /// for mutual TLS: clients without a certificate of it get no further; empty: none is asked.
    /// Fails with malformed or as read_file does; the message names the file.
    static Result<std::shared_ptr<const TlsServer>> load(const std::vector<CertificateFiles>& files,
                                                         const std::string& client_ca);

    /// The names of each certificate, in the order of the files.
    const std::vector<std::vector<std::string>>& names() const { return names_; }
    ::SSL_CTX* standard() const { return certificates_.front().get(); }

private:
    TlsServer() = default;
    static int on_server_name(::SSL* session, int* alert, void* self);

    struct Release {
        void operator()(::SSL_CTX* certificate) const { ::SSL_CTX_free(certificate); }
    };
    std::vector<std::unique_ptr<::SSL_CTX, Release>> certificates_;
    std::vector<std::vector<std::string>> names_;
};

/// One connection's TLS. Lives on the connection's loop; never waits itself.
class TlsSession {
public:
    enum class Wait { nothing, readable, writable, over };
    struct Step {
        std::size_t bytes = 0;  ///< What was moved; 0: see `wait`.
        Wait wait = Wait::nothing;
    };

    /// `server` outlives its sessions through the shared pointer.
    TlsSession(std::shared_ptr<const TlsServer> server, int socket);

    /// `nothing` when it is done; the reason of a failure is in failure().
    Wait handshake();
    Step read(char* to, std::size_t at_most);
    /// Bytes from the client are here already; without them a read would have to wait.
    bool has_pending() const;
    Step write(std::string_view bytes);
    /// The kernel encrypts (kTLS): send_file may be used.
    bool has_kernel_encryption() const;
    Step send_file(int fd, std::uint64_t offset, std::size_t count);
    /// Says that nothing more is sent, so that the client can tell the end from a cut.
    void close();

    /// Of a verified client certificate; nothing without one or without a name in it.
    std::optional<std::string> client_name() const;
    std::string failure() const { return failure_; }

private:
    Wait wait_after(int outcome);

    struct Release {
        void operator()(::SSL* session) const { ::SSL_free(session); }
    };
    std::shared_ptr<const TlsServer> server_;
    std::unique_ptr<::SSL, Release> session_;
    std::string failure_;
};

}  // namespace aptward::http
