// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/config_listeners.h"

#include <pwd.h>

#include <algorithm>

#include "http/tls.h"

namespace aptward::node {
namespace {

using http::Authentication;
using http::Role;

bool is_unix(const std::string& address)
{
    return address.rfind("unix:", 0) == 0;
}

void read_services(Reader& reader, ListenerSettings& settings)
{
    std::vector<std::string> services{"archive"};
    reader.read("serves", services);
    for (const std::string& service : services) {
        settings.serves_archive |= service == "archive";
        settings.serves_admin |= service == "admin";
        if (service != "archive" && service != "admin")
            reader.mistake("serves",
                           "\"" + service + "\" is not accepted; accepted are: archive, admin");
    }
    if (services.empty())
        reader.mistake("serves", "a listener serves something; accepted are: archive, admin");
}

void read_tls(Reader& reader, const ListenerSettings& settings, http::Admission& admission)
{
    std::vector<std::string> certificates, keys;
    std::string client_ca;
    reader.read("certificates", certificates);
    reader.read("keys", keys);
    reader.read("client-ca", client_ca);
    const bool is_mutual = admission.authentication == Authentication::mtls;
    if (is_mutual && client_ca.empty())
        reader.mistake("client-ca",
                       "authentication = \"mtls\" wants the PEM file of the authority that "
                       "signed the clients' certificates");
    if (!is_mutual && !client_ca.empty())
        reader.mistake("client-ca", "this goes with authentication = \"mtls\" only");
    if (certificates.empty()) {
        if (is_mutual)
            reader.mistake("certificates",
                           "authentication = \"mtls\" wants TLS: name the PEM "
                           "files of the listener's certificates");
        if (!keys.empty())
            reader.mistake("keys", "there are keys but no certificates");
        return;
    }
    if (is_unix(settings.address))
        return reader.mistake("certificates", "a Unix socket has no TLS");
    if (!keys.empty() && keys.size() != certificates.size())
        return reader.mistake("keys",
                              "as many as certificates are wanted, in the same order, or "
                              "none when each certificate's file holds its key");
    std::vector<http::CertificateFiles> files;
    for (std::size_t i = 0; i < certificates.size(); ++i) {
        files.push_back({certificates[i], keys.empty() ? certificates[i] : keys[i]});
        auto alone = http::TlsServer::load({files.back()}, "");
        if (!alone)
            reader.mistake("certificates", alone.error().message());
    }
    auto server = http::TlsServer::load(files, is_mutual ? client_ca : "");
    if (server)
        admission.tls = std::move(*server);
    else if (is_mutual && http::TlsServer::load(files, ""))
        reader.mistake("client-ca", server.error().message());
}

void read_tokens(Reader& reader, http::Admission& admission)
{
    std::string file;
    reader.read("tokens", file);
    const bool wants_tokens = admission.authentication == Authentication::token;
    const bool may_have = wants_tokens || admission.authentication == Authentication::mtls;
    if (file.empty()) {
        if (wants_tokens)
            reader.mistake("tokens",
                           "authentication = \"token\" wants a file with lines \"ROLE "
                           "NAME SHA256\", as `aptward token` prints them");
        return;
    }
    if (!may_have)
        return reader.mistake("tokens",
                              "this goes with authentication = \"token\" or \"mtls\" only");
    auto tokens = http::Tokens::load(file);
    if (tokens)
        admission.tokens = std::make_shared<const http::Tokens>(std::move(*tokens));
    else
        reader.mistake("tokens", tokens.error().message());
}

void read_role(Reader& reader, const ListenerSettings& settings, http::Admission& admission)
{
    // Without `role`, a listener that wants tokens hears nobody who shows none.
    if (admission.authentication == Authentication::token)
        admission.role = Role::none;
    reader.read("role", admission.role,
                {{"viewer", Role::viewer}, {"operator", Role::operating}, {"admin", Role::admin}});
    const bool is_anybody = admission.authentication == Authentication::none ||
                            admission.authentication == Authentication::token;
    if (is_anybody && !is_unix(settings.address) && admission.role > Role::viewer)
        reader.mistake("role",
                       "whoever reaches this address would have it without any proof; "
                       "accepted is: viewer (give more by tokens, certificates or a "
                       "Unix socket)");
}

}  // namespace

std::vector<::uid_t> uids_of(const std::vector<std::string>& names)
{
    std::vector<::uid_t> uids;
    for (const std::string& name : names)
        if (const ::passwd* entry = ::getpwnam(name.c_str()))
            uids.push_back(entry->pw_uid);
    return uids;
}

std::shared_ptr<const http::Admission> admission_of_admin(
    const std::string& address, const std::vector<std::string>& admin_users)
{
    http::Admission admission;
    if (is_unix(address)) {
        admission.authentication = Authentication::peer;
        admission.admins = uids_of(admin_users);
    }
    return std::make_shared<const http::Admission>(std::move(admission));
}

ListenerSettings read_listener(const toml::table& table, const std::string& file,
                               const Config& config, std::vector<Mistake>& mistakes)
{
    Reader reader(table, "listener", file, mistakes);
    ListenerSettings settings;
    http::Admission admission;
    reader.read("address", settings.address);
    const auto is_address = http::check_address(settings.address);
    if (!is_address)
        reader.mistake("address", is_address.error().message());
    read_services(reader, settings);
    reader.read("authentication", admission.authentication,
                {{"none", Authentication::none},
                 {"token", Authentication::token},
                 {"mtls", Authentication::mtls},
                 {"peer", Authentication::peer}});
    if (admission.authentication == Authentication::peer) {
        if (!is_unix(settings.address))
            reader.mistake("authentication",
                           "\"peer\" goes with unix: addresses only, where the "
                           "kernel says who asks");
        admission.admins = uids_of(config.admin_users);
    }
    read_tls(reader, settings, admission);
    read_tokens(reader, admission);
    read_role(reader, settings, admission);
    settings.admission = std::make_shared<const http::Admission>(std::move(admission));
    return settings;
}

}  // namespace aptward::node
