// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Requests as an S3-compatible service wants them: names of objects and signatures. Pure.
//
// Our own and not curl's, whose signing had faults in several of the versions that distributions
// have. Only what we send can be signed: one object, or a list of them.
// Spec: AWS Signature Version 4 ("Authenticating Requests: Using the Authorization Header").

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"

namespace aptward::s3 {

/// Who asks. The secret is never logged and in no message.
struct Credentials {
    std::string access_key, secret_key;
};

/// Reads a credentials file: the access key on the first line, the secret key on the second.
/// Fails with malformed, without naming what stands there.
Result<Credentials> read_credentials(std::string_view text);

/// The name of an object in a URL: whatever is no letter, digit, "-", ".", "_", "~" or "/" as %XX.
std::string encode_key(std::string_view key);

/// A value in a query: as encode_key() has it, "/" too.
std::string encode_value(std::string_view value);

/// The key of a blob: "sha256/ab/HEX". Only for SHA-256.
std::string key_of_blob(const Digest& digest);

/// A request for one object.
struct ToSign {
    std::string_view method;  ///< "GET"
    /// As it is sent: "http://HOST[:PORT]/PATH[?QUERY]", the path as encode_key() has it; the query
    /// as NAME=VALUE joined by "&", in the order of the names, values as encode_value() has them.
    std::string_view url;
    std::string_view body_sha256;  ///< In hexadecimal; the service checks the body against it.
};

/// The header lines that prove who asks. They count for some 15 minutes around `now`.
std::vector<std::string> sign(const ToSign& request, const Credentials& credentials,
                              std::string_view region, SystemTime now);

/// The SHA-256 of no bytes, for requests without a body.
const std::string& sha256_of_nothing();

}  // namespace aptward::s3
