// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/health.h"

#include <fmt/format.h>

#include "s3/service_error.h"

namespace aptward::s3 {
namespace {

std::string said(const Answer& answer, const std::optional<ServiceError>& error)
{
    if (!error)
        return fmt::format("it answered {}", answer.status);
    return fmt::format("it answered {} {}{}{}", answer.status, error->code,
                       error->message.empty() ? "" : ": ", error->message);
}

std::string why_denied(const Answer& answer, const std::optional<ServiceError>& error)
{
    const std::string code = error ? error->code : "";
    const std::string what = said(answer, error);
    if (code == "RequestTimeTooSkewed")
        return what + "; its clock and this node's are too far apart: set the wrong one";
    if (code == "InvalidAccessKeyId")
        return what + "; it does not know the access key of credentials-file";
    if (code == "SignatureDoesNotMatch")
        return what + "; the secret key of credentials-file is wrong, or the region";
    return what +
           "; the key of credentials-file may not do this: it needs s3:GetObject and, unless "
           "upload = false, s3:PutObject";
}

}  // namespace

std::string_view to_string(Health health)
{
    switch (health) {
        case Health::untried:
            return "untried";
        case Health::good:
            return "good";
        case Health::unreachable:
            return "unreachable";
        case Health::denied:
            return "denied";
        case Health::no_bucket:
            return "no-bucket";
        case Health::full:
            break;
    }
    return "full";
}

Finding look_at(const Answer& answer)
{
    if (!answer.failure.empty())
        return {Health::unreachable, answer.failure};
    if (answer.is_good())
        return {};
    const auto error = read_service_error(answer.body);
    const std::string code = error ? error->code : "";
    if (code == "QuotaExceeded" || answer.status == 507)
        return {Health::full, said(answer, error) + "; nothing more is uploaded until it has room"};
    if (code == "NoSuchBucket")
        return {Health::no_bucket, said(answer, error) + "; make the bucket, or name another one"};
    if (answer.status == 404)
        return {};
    if (answer.status == 401 || answer.status == 403)
        return {Health::denied, why_denied(answer, error)};
    if (answer.status >= 300 && answer.status < 400)
        return {Health::unreachable,
                said(answer, error) +
                    ", a redirect, which is not followed: name the place itself "
                    "in url, and its region"};
    return {Health::unreachable, said(answer, error)};
}

Finding look_at_put(const Answer& answer)
{
    Finding finding = look_at(answer);
    if (finding.health == Health::good && !answer.is_good())
        finding = {Health::no_bucket, said(answer, std::nullopt) +
                                          " to an upload; make the bucket, or name another one"};
    return finding;
}

// An answer to HEAD has no body that would say so.
bool is_not_allowed(const Answer& answer)
{
    if (!answer.failure.empty() || answer.status != 403)
        return false;
    const auto error = read_service_error(answer.body);
    return answer.body.empty() || (error && error->code == "AccessDenied");
}

bool are_bytes_refused(const Answer& answer)
{
    if (!answer.failure.empty() || answer.status != 400)
        return false;
    const auto error = read_service_error(answer.body);
    return error && (error->code == "XAmzContentSHA256Mismatch" || error->code == "BadDigest");
}

}  // namespace aptward::s3
