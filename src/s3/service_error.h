// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What an S3-compatible service says when it refuses. Pure; fuzzed.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace aptward::s3 {

/// Largest body of a refusal that is looked at.
inline constexpr std::size_t kMostErrorBytes = 64 * 1024;

struct ServiceError {
    std::string code;     ///< "NoSuchBucket": letters and digits, at most 64.
    std::string message;  ///< For people: hostile text, made printable.
};

/// Reads <Error><Code>..</Code><Message>..</Message>...</Error> and nothing more: no document type,
/// no entities but XML's own, no element inside another one's text. Nothing for all else: an answer
/// of something that is no S3 service. Spec: Amazon S3 API, "Error responses"; XML 1.0.
std::optional<ServiceError> read_service_error(std::string_view xml);

}  // namespace aptward::s3
