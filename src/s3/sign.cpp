// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/sign.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/lines.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "crypto/hmac.h"

namespace aptward::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kSignedHeaders = "host;x-amz-content-sha256;x-amz-date";
constexpr std::size_t kMostKeyBytes = 256;  // ours; the longest in use have 128

struct Place {
    std::string_view host, path, query;
};

// The host as it stands in the Host line: without the port that goes without saying.
Place split(std::string_view url)
{
    const bool is_plain = url.substr(0, 7) == "http://";
    url.remove_prefix(is_plain ? 7 : 8);
    const std::size_t slash = std::min(url.find('/'), url.size());
    const std::size_t mark = std::min(url.find('?'), url.size());
    Place place{url.substr(0, slash), url.substr(slash, mark - slash),
                url.substr(std::min(mark + 1, url.size()))};
    const std::string_view usual = is_plain ? ":80" : ":443";
    if (place.host.ends_with(usual))
        place.host.remove_suffix(usual.size());
    return place;
}

bool is_key(std::string_view text)
{
    return !text.empty() && text.size() <= kMostKeyBytes &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string hex(std::string_view bytes)
{
    return to_hex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

Result<Credentials> read_credentials(std::string_view text)
{
    const auto next = [&text] {
        std::string_view line = take_line(text);
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        return std::string(trim(line));
    };
    Credentials credentials;
    credentials.access_key = next();
    credentials.secret_key = next();
    if (!is_key(credentials.access_key) || !is_key(credentials.secret_key) ||
        credentials.access_key.find('/') != std::string::npos || !trim(text).empty())
        return fail(Errc::malformed,
                    "holds no credentials: the access key is wanted on the first line, the secret "
                    "key on the second, and nothing else");
    return credentials;
}

std::string encode_key(std::string_view key)
{
    std::string encoded;
    for (const char c : key) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                              c == '~' || c == '/';
        if (is_plain)
            encoded += c;
        else
            encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return encoded;
}

std::string encode_value(std::string_view value)
{
    std::string encoded;
    for (const char c : encode_key(value)) {
        if (c == '/')
            encoded += "%2F";
        else
            encoded += c;
    }
    return encoded;
}

std::string key_of_blob(const Digest& digest)
{
    CHECK(digest.algorithm == HashAlgorithm::sha256, "objects are named by their SHA-256");
    const std::string name = digest.hex();
    return "sha256/" + name.substr(0, 2) + "/" + name;
}

const std::string& sha256_of_nothing()
{
    static const std::string kDigest = crypto::digest_of("").hex();
    return kDigest;
}

std::vector<std::string> sign(const ToSign& request, const Credentials& credentials,
                              std::string_view region, SystemTime now)
{
    const Place place = split(request.url);
    const auto utc = fmt::gmtime(static_cast<std::time_t>(to_unix(now)));
    const std::string day = fmt::format("{:%Y%m%d}", utc);
    const std::string moment = fmt::format("{:%Y%m%dT%H%M%SZ}", utc);
    const std::string canonical =
        fmt::format("{}\n{}\n{}\nhost:{}\nx-amz-content-sha256:{}\nx-amz-date:{}\n\n{}\n{}",
                    request.method, place.path, place.query, place.host, request.body_sha256,
                    moment, kSignedHeaders, request.body_sha256);
    const std::string scope = fmt::format("{}/{}/s3/aws4_request", day, region);
    const std::string text = fmt::format("{}\n{}\n{}\n{}", kAlgorithm, moment, scope,
                                         crypto::digest_of(canonical).hex());
    std::string key = crypto::hmac_sha256("AWS4" + credentials.secret_key, day);
    for (const std::string_view part :
         {region, std::string_view("s3"), std::string_view("aws4_request")})
        key = crypto::hmac_sha256(key, part);
    return {fmt::format("x-amz-content-sha256: {}", request.body_sha256),
            fmt::format("x-amz-date: {}", moment),
            fmt::format("Authorization: {} Credential={}/{}, SignedHeaders={}, Signature={}",
                        kAlgorithm, credentials.access_key, scope, kSignedHeaders,
                        hex(crypto::hmac_sha256(key, text)))};
}

}  // namespace aptward::s3
