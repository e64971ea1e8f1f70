// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/admission.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/crypto.h"

namespace aptward::archive {
namespace {

constexpr std::size_t kMost = 10'000;
constexpr std::chrono::minutes kRemembered{1};

using Times = std::map<std::string, SteadyTime>;

bool is_before_end(const Times& times, const std::string& name)
{
    const auto found = times.find(name);
    return found != times.end() && steady_now() < found->second;
}

void remember(Times& times, const std::string& name)
{
    const SteadyTime now = steady_now();
    if (times.size() >= kMost)
        std::erase_if(times, [now](const auto& entry) { return entry.second < now; });
    if (times.size() >= kMost)
        times.clear();
    times[name] = now + kRemembered;
}

std::string secret_of(const fetch::Credentials& credentials)
{
    return credentials.user + ":" + credentials.password;
}

std::string quick_digest(const fetch::Credentials& credentials)
{
    static const std::string kSaltOfThisRun = crypto::random_hex(32);
    return crypto::digest_of(kSaltOfThisRun + secret_of(credentials)).hex();
}

}  // namespace

std::optional<fetch::Credentials> parse_basic(std::string_view authorization)
{
    const std::size_t blank = authorization.find(' ');
    if (blank == std::string_view::npos ||
        !equals_ignoring_case(authorization.substr(0, blank), "Basic"))
        return std::nullopt;
    const auto text = crypto::decode_base64(trim(authorization.substr(blank)));
    const std::size_t colon = text ? text->find(':') : std::string::npos;
    if (colon == std::string::npos || colon == 0)
        return std::nullopt;
    const auto is_control = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    };
    if (std::any_of(text->begin(), text->end(), is_control))
        return std::nullopt;
    return fetch::Credentials{text->substr(0, colon), text->substr(colon + 1)};
}

std::optional<std::string> Admission::known_name(const fetch::Credentials& credentials) const
{
    const std::string quick = quick_digest(credentials);
    const std::lock_guard lock(mutex_);
    const auto known = names_.find(quick);
    return known == names_.end() ? std::nullopt : std::optional(known->second);
}

std::string Admission::make_name(const fetch::Credentials& credentials)
{
    std::string name = crypto::slow_digest(secret_of(credentials), salt_);
    std::string quick = quick_digest(credentials);
    const std::lock_guard lock(mutex_);
    if (names_.size() >= kMost)
        names_.clear();
    names_[std::move(quick)] = name;
    return name;
}

std::optional<SystemTime> Admission::accepted(const std::string& name) const
{
    const std::lock_guard lock(mutex_);
    const auto found = accepted_.find(name);
    return found == accepted_.end() ? std::nullopt : std::optional(found->second);
}

bool Admission::was_refused_lately(const std::string& name) const
{
    const std::lock_guard lock(mutex_);
    return is_before_end(refused_, name);
}

void Admission::accept(const std::string& name, SystemTime now)
{
    const std::lock_guard lock(mutex_);
    accepted_[name] = now;
    refused_.erase(name);
    if (accepted_.size() > kMost)
        accepted_.erase(
            std::min_element(accepted_.begin(), accepted_.end(),
                             [](const auto& a, const auto& b) { return a.second < b.second; }));
}

void Admission::refuse(const std::string& name)
{
    const std::lock_guard lock(mutex_);
    accepted_.erase(name);
    remember(refused_, name);
}

void Admission::excuse(const std::string& name)
{
    const std::lock_guard lock(mutex_);
    remember(excused_, name);
}

bool Admission::is_excused(const std::string& name) const
{
    const std::lock_guard lock(mutex_);
    return is_before_end(excused_, name);
}

std::map<std::string, SystemTime> Admission::all() const
{
    const std::lock_guard lock(mutex_);
    return accepted_;
}

void Admission::restore(std::map<std::string, SystemTime> accepted)
{
    const std::lock_guard lock(mutex_);
    accepted_ = std::move(accepted);
}

}  // namespace aptward::archive
