// SPDX-License-Identifier: GPL-3.0-or-later
#include "http/principal.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>

#include "base/digest.h"
#include "base/file.h"
#include "base/text.h"

namespace aptward::http {
namespace {

constexpr std::uint64_t kMaxTokensBytes = 1 << 20;
constexpr std::size_t kMaxTokenBytes = 512;

bool is_principal_name(std::string_view text)
{
    return !text.empty() && text.size() <= 64 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// base64 of RFC 4648 4 with its padding; nothing for anything else.
std::optional<std::string> decode_base64(std::string_view text)
{
    if (text.empty() || text.size() % 4 != 0 || text.size() > 2 * kMaxTokenBytes)
        return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    const std::string_view digits = text.substr(0, text.size() - padding);
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (digits.find_first_not_of(kDigits) != std::string_view::npos)
        return std::nullopt;
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : digits) {
        bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes += static_cast<char>(bits >> count & 0xff);
        }
    }
    return bytes;
}

// The token in one header's value: nothing for other schemes, which are not meant for us.
std::optional<std::string> token_in(std::string_view value)
{
    const std::size_t blank = std::min(value.find(' '), value.size());
    const std::string_view scheme = value.substr(0, blank);
    const std::string_view rest = trim(value.substr(blank));
    if (equals_ignoring_case(scheme, "Bearer"))
        return std::string(rest);
    if (!equals_ignoring_case(scheme, "Basic"))
        return std::nullopt;
    const auto pair = decode_base64(rest);
    const std::size_t colon = pair ? pair->find(':') : std::string::npos;
    return colon == std::string::npos ? std::string() : pair->substr(colon + 1);
}

void recognise_peer(const Admission& admission, Principal& principal)
{
    principal.recognised_by = Authentication::peer;
    const auto& admins = admission.admins;
    if (principal.uid == 0 || principal.uid == ::geteuid() ||
        std::find(admins.begin(), admins.end(), principal.uid) != admins.end())
        principal.role = Role::admin;
}

void recognise_certificate(const Admission& admission, Principal& principal)
{
    // A connection from before a reload that began to demand certificates has none.
    if (principal.recognised_by != Authentication::mtls)
        principal.role = Role::none;
    const Tokens::Entry* entry =
        admission.tokens ? admission.tokens->find_certificate(principal.name) : nullptr;
    if (entry != nullptr && principal.recognised_by == Authentication::mtls)
        principal.role = entry->role;
}

// Whether the request is for another server, in whose name Authorization is: RFC 9110 11.7.2 has
// Proxy-Authorization for us then, and a private archive's own credentials pass (archive/private).
bool is_proxied(const RequestHead& head)
{
    return head.method == "CONNECT" ||
           head.target.substr(0, std::min(head.target.find('/'), head.target.size()))
               .ends_with(':');
}

// The one token that a request shows, if any.
Result<std::optional<std::string>> shown_token(const RequestHead& head)
{
    std::optional<std::string> token;
    for (const Header& header : head.headers) {
        const bool is_for_us =
            equals_ignoring_case(header.name, "Proxy-Authorization") ||
            (equals_ignoring_case(header.name, "Authorization") && !is_proxied(head));
        if (!is_for_us)
            continue;
        auto shown = token_in(header.value);
        if (shown && token)
            return fail(Errc::untrusted, "the request shows two tokens");
        if (shown)
            token = std::move(shown);
    }
    return token;
}

Result<void> recognise_token(const Admission& admission, const RequestHead& head,
                             Principal& principal)
{
    principal.may_show_token = true;
    TRY(const auto token, shown_token(head));
    if (!token)
        return {};
    const Tokens::Entry* entry = admission.tokens ? admission.tokens->find_token(*token) : nullptr;
    if (entry == nullptr)
        return fail(Errc::untrusted, "this token is not known here");
    principal.name = entry->name;
    principal.role = entry->role;
    principal.recognised_by = Authentication::token;
    return {};
}

}  // namespace

std::optional<Role> parse_role(std::string_view text)
{
    for (const Role role : {Role::viewer, Role::operating, Role::admin})
        if (text == to_string(role))
            return role;
    return std::nullopt;
}

std::string_view to_string(Role role)
{
    switch (role) {
        case Role::none:
            return "none";
        case Role::viewer:
            return "viewer";
        case Role::operating:
            return "operator";
        case Role::admin:
            return "admin";
    }
    return "";
}

std::string Principal::who() const
{
    switch (recognised_by) {
        case Authentication::peer:
            return "uid " + std::to_string(uid);
        case Authentication::token:
            return "token " + name;
        case Authentication::mtls:
            return "certificate " + name;
        case Authentication::none:
            break;
    }
    return address;
}

TokenHash hash_token(std::string_view token)
{
    TokenHash hash{};
    ::EVP_Digest(token.data(), token.size(), hash.data(), nullptr, ::EVP_sha256(), nullptr);
    return hash;
}

Result<Tokens> Tokens::parse(std::string_view text)
{
    Tokens tokens;
    std::size_t number = 0;
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        const auto fields = words(text.substr(start, end - start));
        start = end + 1;
        ++number;
        if (fields.empty() || fields[0].front() == '#')
            continue;
        const auto role = parse_role(fields[0]);
        const auto digest = fields.size() == 3 ? parse_digest(fields[2], 0) : std::nullopt;
        const bool is_certificate = fields.size() == 3 && fields[2] == "cert";
        const bool is_token = digest && digest->algorithm == HashAlgorithm::sha256;
        if (!role || fields.size() != 3 || !is_principal_name(fields[1]) ||
            (!is_certificate && !is_token))
            return fail(Errc::malformed,
                        fmt::format("line {} is not \"ROLE NAME SHA256-OF-TOKEN\" or \"ROLE NAME "
                                    "cert\" with the role viewer, operator or admin",
                                    number));
        Entry entry{*role, std::string(fields[1]), std::nullopt};
        if (is_token) {
            entry.hash.emplace();
            std::copy_n(digest->hash.begin(), entry.hash->size(), entry.hash->begin());
        }
        tokens.entries_.push_back(std::move(entry));
    }
    return tokens;
}

Result<Tokens> Tokens::load(const std::filesystem::path& file)
{
    TRY(const std::string text, read_file(file, kMaxTokensBytes));
    auto tokens = parse(text);
    if (!tokens)
        return tl::unexpected<Error>(std::move(tokens).error().within(file.string()));
    return tokens;
}

const Tokens::Entry* Tokens::find_token(std::string_view token) const
{
    if (token.empty() || token.size() > kMaxTokenBytes)
        return nullptr;
    const TokenHash hash = hash_token(token);
    const Entry* found = nullptr;
    for (const Entry& entry : entries_)
        if (entry.hash && ::CRYPTO_memcmp(entry.hash->data(), hash.data(), hash.size()) == 0)
            found = &entry;
    return found;
}

const Tokens::Entry* Tokens::find_certificate(std::string_view common_name) const
{
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return !entry.hash && entry.name == common_name;
    });
    return found == entries_.end() ? nullptr : &*found;
}

Result<Principal> admit(const Admission& admission, const Principal& connection,
                        const RequestHead& head)
{
    Principal principal = connection;
    principal.role = admission.role;
    switch (admission.authentication) {
        case Authentication::none:
            if (principal.is_local_socket)
                principal.recognised_by = Authentication::peer;  // known, with nobody's rights
            break;
        case Authentication::peer:
            recognise_peer(admission, principal);
            break;
        case Authentication::mtls:
            recognise_certificate(admission, principal);
            break;
        case Authentication::token:
            TRY_VOID(recognise_token(admission, head, principal));
            break;
    }
    if (principal.role == Role::none)
        return fail(Errc::untrusted, admission.authentication == Authentication::mtls
                                         ? "this listener wants a client certificate"
                                         : "this listener wants a token");
    return principal;
}

}  // namespace aptward::http
