// SPDX-License-Identifier: GPL-3.0-or-later
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/text.h"
#include "http/tls.h"

namespace aptward::http {
namespace {

std::string reason_of_failure()
{
    const unsigned long code = ::ERR_peek_error();
    const char* reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
    return reason == nullptr ? "the client went away" : reason;
}

}  // namespace

TlsSession::TlsSession(std::shared_ptr<const TlsServer> server, int socket)
    : server_(std::move(server)), session_(::SSL_new(server_->standard()))
{
    if (!session_)
        return;
    ::SSL_set_fd(session_.get(), socket);
    ::SSL_set_accept_state(session_.get());
}

// OpenSSL's answer depends on this thread's error queue: every call starts with an empty one.
TlsSession::Wait TlsSession::wait_after(int outcome)
{
    switch (::SSL_get_error(session_.get(), outcome)) {
        case SSL_ERROR_WANT_READ:
            return Wait::readable;
        case SSL_ERROR_WANT_WRITE:
            return Wait::writable;
        case SSL_ERROR_ZERO_RETURN:
            return Wait::over;  // the client says that it sends nothing more
        default:
            failure_ = reason_of_failure();
            ::ERR_clear_error();
            return Wait::over;
    }
}

TlsSession::Wait TlsSession::handshake()
{
    if (!session_) {
        failure_ = "OpenSSL has no memory for a session";
        return Wait::over;
    }
    ::ERR_clear_error();
    const int outcome = ::SSL_do_handshake(session_.get());
    return outcome == 1 ? Wait::nothing : wait_after(outcome);
}

TlsSession::Step TlsSession::read(char* to, std::size_t at_most)
{
    ::ERR_clear_error();
    Step step;
    const int outcome = ::SSL_read_ex(session_.get(), to, at_most, &step.bytes);
    if (outcome != 1)
        step = {0, wait_after(outcome)};
    return step;
}

bool TlsSession::has_pending() const
{
    return ::SSL_has_pending(session_.get()) == 1;
}

TlsSession::Step TlsSession::write(std::string_view bytes)
{
    ::ERR_clear_error();
    Step step;
    const int outcome = ::SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &step.bytes);
    if (outcome != 1)
        step = {0, wait_after(outcome)};
    return step;
}

bool TlsSession::has_kernel_encryption() const
{
    return BIO_get_ktls_send(::SSL_get_wbio(session_.get()));
}

TlsSession::Step TlsSession::send_file(int fd, std::uint64_t offset, std::size_t count)
{
    ::ERR_clear_error();
    const ::ossl_ssize_t put =
        ::SSL_sendfile(session_.get(), fd, static_cast<::off_t>(offset), count, 0);
    if (put > 0)
        return {static_cast<std::size_t>(put), Wait::nothing};
    return {0, wait_after(-1)};
}

void TlsSession::close()
{
    if (session_ && ::SSL_is_init_finished(session_.get()) == 1 && failure_.empty()) {
        ::ERR_clear_error();
        ::SSL_shutdown(session_.get());
        ::ERR_clear_error();
    }
}

std::optional<std::string> TlsSession::client_name() const
{
    const ::X509* certificate = ::SSL_get0_peer_certificate(session_.get());
    if (certificate == nullptr || ::SSL_get_verify_result(session_.get()) != X509_V_OK)
        return std::nullopt;
    char name[256];
    const int size = ::X509_NAME_get_text_by_NID(::X509_get_subject_name(certificate),
                                                 NID_commonName, name, sizeof name);
    if (size <= 0 || static_cast<std::size_t>(size) >= sizeof name - 1)
        return std::nullopt;
    // A NUL or control byte would let a name look like another one.
    const std::string_view text(name, static_cast<std::size_t>(size));
    if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; }))
        return std::nullopt;
    return std::string(text);
}

}  // namespace aptward::http
