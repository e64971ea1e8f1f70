// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/config_blob_service.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "node/config_checks.h"

namespace aptward::node {
namespace {

constexpr std::uint64_t kMostCredentialBytes = 4096;
constexpr std::size_t kMostPrefixBytes = 512;

bool is_of(std::string_view text, std::string_view more)
{
    return std::all_of(text.begin(), text.end(), [more](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               more.find(c) != std::string_view::npos;
    });
}

// Spec: Amazon S3, "Bucket naming rules"; some services allow upper case and "_" too.
bool is_bucket(std::string_view name)
{
    std::string lower = to_lower(name);
    return name.size() >= 3 && name.size() <= 63 && is_of(lower, "-._") && lower.front() != '.' &&
           lower.find("..") == std::string::npos;
}

bool is_prefix(const std::string& prefix)
{
    return prefix.size() <= kMostPrefixBytes && is_of(to_lower(prefix), "-._/") &&
           !prefix.starts_with('/') && prefix.find("//") == std::string::npos &&
           ("/" + prefix + "/").find("/./") == std::string::npos &&
           ("/" + prefix + "/").find("/../") == std::string::npos;
}

// Whoever can read the secret key can fill the bucket, and the file is read by name only.
Result<s3::Credentials> read_credentials_file(const std::string& file)
{
    struct ::stat status{};
    TRY(const std::string text, read_file(file, kMostCredentialBytes));
    if (::stat(file.c_str(), &status) != 0)
        return fail_errno("looking at " + file, errno);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return fail(
            Errc::malformed,
            fmt::format("{} may be read by others than its owner: chmod 600 {}", file, file));
    auto credentials = s3::read_credentials(text);
    if (!credentials)
        return fail(Errc::malformed, file + " " + credentials.error().message());
    return credentials;
}

s3::Settings read_settings(Reader& reader)
{
    s3::Settings service;
    std::string credentials;
    reader.read("url", service.url);
    reader.read("bucket", service.bucket);
    reader.read("prefix", service.prefix);
    reader.read("region", service.region);
    reader.read("credentials-file", credentials);
    reader.read("ca", service.ca);
    reader.read("upload", service.is_uploaded_to);
    reader.read_size("upload-rate", service.upload_rate_bytes_per_s);
    reader.read("delete-after", service.delete_after);
    reader.read("delete-dry-run", service.is_dry_run);
    if (service.delete_after > std::chrono::seconds(0) && !service.is_uploaded_to)
        reader.mistake("delete-after",
                       "a node with upload = false has no lease of its own, and deletes nothing");
    while (service.url.ends_with('/'))
        service.url.pop_back();
    if (service.url.empty())
        reader.mistake("url",
                       "where the service answers is missing, such as "
                       "\"https://s3.example:9000\"");
    else if (const auto checked = check_upstream(service.url); !checked)
        reader.mistake("url", checked.error().message());
    if (!is_bucket(service.bucket))
        reader.mistake("bucket", "\"" + printable(service.bucket) +
                                     "\" is no name of a bucket: 3 to 63 letters, digits, \"-\", "
                                     "\"_\" and \".\" are wanted");
    if (!is_prefix(service.prefix))
        reader.mistake("prefix", "\"" + printable(service.prefix) +
                                     "\" is none: letters, digits, \"-\", \"_\", \".\" and \"/\" "
                                     "are wanted, such as \"aptward/\"");
    else if (!service.prefix.empty() && !service.prefix.ends_with('/'))
        service.prefix += '/';
    if (service.region.empty() || service.region.size() > 64 ||
        !is_of(to_lower(service.region), "-_"))
        reader.mistake("region",
                       "\"" + printable(service.region) +
                           "\" is no region: letters, digits, \"-\" and \"_\" are wanted");
    if (credentials.empty())
        reader.mistake("credentials-file",
                       "the file with the access key and the secret key is missing");
    else if (auto keys = read_credentials_file(credentials); !keys)
        reader.mistake("credentials-file", keys.error().message());
    else
        service.credentials = std::move(*keys);
    if (!service.ca.empty())
        if (const auto text = read_file(service.ca, std::uint64_t{16} << 20); !text)
            reader.mistake("ca", text.error().message());
    return service;
}

}  // namespace

void read_blob_service(Reader& outer, const toml::table& table, Config& config,
                       std::vector<Mistake>& mistakes)
{
    const toml::node* services = table.get("blob-service");
    if (services == nullptr)
        return;
    if (!services->is_array_of_tables())
        return outer.mistake("blob-service", "write [[blob-service]] with two brackets");
    if (services->as_array()->size() > 1)
        return outer.mistake("blob-service", "a node has one blob service: remove the others");
    Reader reader(*services->as_array()->front().as_table(), "blob-service", config.origin,
                  mistakes);
    config.blob_service = read_settings(reader);
}

}  // namespace aptward::node
