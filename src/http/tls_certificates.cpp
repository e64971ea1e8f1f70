// SPDX-License-Identifier: GPL-3.0-or-later
// Loading certificates, and choosing among them.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "http/tls.h"

namespace aptward::http {
namespace {

constexpr std::uint64_t kMaxPemBytes = 1 << 20;
constexpr std::string_view kProtocol = "\x08http/1.1";

// A passphrase would have to be typed at every start: such a key is refused, not asked about.
int give_no_passphrase(char*, int, int, void*)
{
    return -1;
}

struct ReleaseBytes {
    void operator()(unsigned char* bytes) const { OPENSSL_free(bytes); }
};

std::string text_of(const ::ASN1_STRING* string)
{
    unsigned char* bytes = nullptr;
    const int size = ::ASN1_STRING_to_UTF8(&bytes, string);
    if (size < 0)
        return {};
    const std::unique_ptr<unsigned char, ReleaseBytes> owner(bytes);
    return {bytes, bytes + size};
}

std::vector<std::string> names_of(::X509* certificate)
{
    std::vector<std::string> names;
    auto* listed = static_cast<::GENERAL_NAMES*>(
        ::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(listed); ++i) {
        const ::GENERAL_NAME* name = sk_GENERAL_NAME_value(listed, i);
        if (name->type == GEN_DNS)
            names.push_back(to_lower(text_of(name->d.dNSName)));
    }
    ::GENERAL_NAMES_free(listed);
    if (names.empty()) {
        ::X509_NAME* subject = ::X509_get_subject_name(certificate);
        const int at = ::X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
        if (at >= 0)
            names.push_back(
                to_lower(text_of(::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(subject, at)))));
    }
    return names;
}

int on_protocols(::SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                 const unsigned char* offered, unsigned offered_bytes, void*)
{
    unsigned char* found = nullptr;
    const auto* ours =
        static_cast<const unsigned char*>(static_cast<const void*>(kProtocol.data()));
    if (::SSL_select_next_proto(&found, chosen_bytes, ours, static_cast<unsigned>(kProtocol.size()),
                                offered, offered_bytes) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

void configure(::SSL_CTX* certificate)
{
    ::SSL_CTX_set_min_proto_version(certificate, TLS1_2_VERSION);
    ::SSL_CTX_set_options(certificate,
                          SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_ENABLE_KTLS);
    ::SSL_CTX_set_mode(certificate, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(certificate, 1);  // a record in one read instead of two
    ::SSL_CTX_set_alpn_select_cb(certificate, on_protocols, nullptr);
    // Tickets hold the session; a cache of our own would be memory that clients can fill.
    ::SSL_CTX_set_session_cache_mode(certificate, SSL_SESS_CACHE_OFF);
    constexpr std::string_view kSessions = "aptward";
    ::SSL_CTX_set_session_id_context(
        certificate, static_cast<const unsigned char*>(static_cast<const void*>(kSessions.data())),
        static_cast<unsigned>(kSessions.size()));
    ::SSL_CTX_set_default_passwd_cb(certificate, give_no_passphrase);
}

tl::unexpected<Error> refuse(const std::string& file, const std::string& why)
{
    ::ERR_clear_error();
    return fail(Errc::malformed, file + ": " + why);
}

Result<void> load_pair(::SSL_CTX* certificate, const CertificateFiles& files)
{
    TRY_VOID(read_file(files.certificate, kMaxPemBytes).map([](const std::string&) {}));
    TRY_VOID(read_file(files.key, kMaxPemBytes).map([](const std::string&) {}));
    if (::SSL_CTX_use_certificate_chain_file(certificate, files.certificate.c_str()) != 1)
        return refuse(files.certificate, "this is no PEM file with a certificate in front");
    const auto end = SSL_FILETYPE_PEM;
    ::ERR_clear_error();
    if (::SSL_CTX_use_PrivateKey_file(certificate, files.key.c_str(), end) != 1) {
        const int reason = ERR_GET_REASON(::ERR_peek_last_error());
        if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)
            return refuse(files.key, "this key does not fit " + files.certificate);
        return refuse(files.key, "no private key without a passphrase is in this file");
    }
    if (::SSL_CTX_check_private_key(certificate) != 1)
        return refuse(files.key, "this key does not fit " + files.certificate);
    return {};
}

Result<void> load_client_ca(::SSL_CTX* certificate, const std::string& file)
{
    TRY_VOID(read_file(file, kMaxPemBytes).map([](const std::string&) {}));
    auto* subjects = ::SSL_load_client_CA_file(file.c_str());
    if (subjects == nullptr ||
        ::SSL_CTX_load_verify_locations(certificate, file.c_str(), nullptr) != 1) {
        sk_X509_NAME_pop_free(subjects, ::X509_NAME_free);
        return refuse(file, "this is no PEM file with certificates of a certification authority");
    }
    ::SSL_CTX_set_client_CA_list(certificate, subjects);
    ::SSL_CTX_set_verify(certificate, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return {};
}

bool fits_wildcard(std::string_view pattern, std::string_view name)
{
    const std::size_t dot = name.find('.');
    return pattern.starts_with("*.") && dot != std::string_view::npos && dot > 0 &&
           pattern.substr(1) == name.substr(dot);
}

}  // namespace

std::size_t choose_certificate(const std::vector<std::vector<std::string>>& names,
                               std::string_view server_name)
{
    std::string wanted = to_lower(server_name);
    if (wanted.ends_with('.'))
        wanted.pop_back();
    for (std::size_t i = 0; i < names.size(); ++i)
        if (std::find(names[i].begin(), names[i].end(), wanted) != names[i].end())
            return i;
    for (std::size_t i = 0; i < names.size(); ++i)
        if (std::any_of(names[i].begin(), names[i].end(),
                        [&](const std::string& name) { return fits_wildcard(name, wanted); }))
            return i;
    return 0;
}

int TlsServer::on_server_name(::SSL* session, int*, void* self)
{
    const auto* server = static_cast<const TlsServer*>(self);
    const char* name = ::SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr)
        return SSL_TLSEXT_ERR_NOACK;
    const std::size_t chosen = choose_certificate(server->names_, name);
    ::SSL_set_SSL_CTX(session, server->certificates_[chosen].get());
    return SSL_TLSEXT_ERR_OK;
}

Result<std::shared_ptr<const TlsServer>> TlsServer::load(const std::vector<CertificateFiles>& files,
                                                         const std::string& client_ca)
{
    std::shared_ptr<TlsServer> server(new TlsServer());
    for (const CertificateFiles& pair : files) {
        std::unique_ptr<::SSL_CTX, Release> certificate(::SSL_CTX_new(::TLS_server_method()));
        if (!certificate)
            return fail(Errc::storage, "OpenSSL has no memory for a certificate");
        configure(certificate.get());
        TRY_VOID(load_pair(certificate.get(), pair));
        if (!client_ca.empty())
            TRY_VOID(load_client_ca(certificate.get(), client_ca));
        server->names_.push_back(names_of(::SSL_CTX_get0_certificate(certificate.get())));
        server->certificates_.push_back(std::move(certificate));
    }
    if (server->certificates_.empty())
        return fail(Errc::malformed, "a TLS listener has at least one certificate");
    // Only the first one hears the name: the others are switched to.
    // What SSL_CTX_set_tlsext_servername_callback does, without its C cast.
    ::SSL_CTX_callback_ctrl(server->standard(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                            reinterpret_cast<void (*)()>(&TlsServer::on_server_name));
    SSL_CTX_set_tlsext_servername_arg(server->standard(), server.get());
    return std::shared_ptr<const TlsServer>(std::move(server));
}

}  // namespace aptward::http
