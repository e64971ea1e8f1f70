// SPDX-License-Identifier: GPL-3.0-or-later
// Which keys count for an archive, and how one more comes to count: a key that turns up in a
// keyring file, or beside approved ones under a release, is proposed; an operator approves it.
#include <fmt/format.h>

#include <algorithm>

#include "archive/past.h"
#include "archive/rings.h"
#include "archive/suite.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

std::set<std::string> primaries_of(const crypto::Keyring& keyring)
{
    std::set<std::string> primaries;
    for (const crypto::PublicKey& key : keyring.keys)
        primaries.insert(key.primary);
    return primaries;
}

std::string user_of(const crypto::Keyring& keyring, const std::string& fingerprint)
{
    const crypto::PublicKey* key = keyring.find(fingerprint);
    return key == nullptr ? std::string() : key->user_id;
}

constexpr char kRevoked = '-';
// No key's fingerprint: with an empty list every key would count.
constexpr const char* kNobody = "none";

std::string revoked(const std::string& fingerprint)
{
    return kRevoked + fingerprint;
}

std::string upper_hex(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
    return text;
}

}  // namespace

std::set<std::string> Archive::approved_keys() const
{
    std::set<std::string> keys = approved_;
    std::erase_if(keys, [](const std::string& key) { return key.front() == kRevoked; });
    return keys;
}

std::set<std::string> Archive::revoked_keys() const
{
    std::set<std::string> keys;
    for (const std::string& key : approved_)
        if (key.front() == kRevoked)
            keys.insert(key.substr(1));
    return keys;
}

bool Archive::is_revoked(const std::string& fingerprint) const
{
    return approved_.count(revoked(fingerprint)) > 0;
}

bool Archive::is_withdrawn(const std::vector<std::string>& signers) const
{
    const auto left = std::count_if(signers.begin(), signers.end(),
                                    [this](const auto& signer) { return !is_revoked(signer); });
    return left < static_cast<std::ptrdiff_t>(signers.size()) &&
           left < static_cast<std::ptrdiff_t>(settings_.threshold);
}

std::set<std::string> Archive::first_signers(const crypto::Keyring& keyring) const
{
    const std::set<std::string> taken_back = revoked_keys();
    if (taken_back.empty())
        return {};
    std::set<std::string> keys = primaries_of(keyring);
    std::erase_if(keys, [&](const std::string& key) { return taken_back.count(key) > 0; });
    keys.insert(kNobody);
    return keys;
}

trust::Policy Archive::policy(const ArchiveSettings& settings) const
{
    trust::Policy policy;
    policy.signed_by = settings.signed_by;
    policy.approved = approved_keys();
    // Naming a fingerprint in the configuration is an approval.
    if (!approved_.empty())
        for (std::string pin : settings.signed_by) {
            if (pin.back() == '!')
                pin.pop_back();
            for (const crypto::PublicKey& key : settings.keyring.keys)
                if (equals_ignoring_case(key.fingerprint, pin))
                    policy.approved.insert(key.primary);
        }
    // A revocation wins over every keyring and configuration.
    for (const std::string& key : revoked_keys()) {
        policy.approved.erase(key);
        policy.approved.insert(kNobody);
    }
    policy.threshold = settings.threshold;
    policy.suite_aliases = settings.suite_aliases;
    return policy;
}

http::Async<void> Archive::restore_keys(std::optional<std::set<std::string>> approved)
{
    if (settings_.verify == Verify::unverified)
        co_return;
    if (approved) {
        approved_ = std::move(*approved);
    } else if (!settings_.pins_first_signer) {
        std::set<std::string> configured = primaries_of(settings_.keyring);
        co_await count_keys(std::move(configured), "configuration");
    }
    for (const ProposedKey& key : proposed_keys()) {
        tell_of_keys(
            "keys.proposed",
            fmt::format("{} ({}) is new in the keyring and counts for nothing yet: aptward keys "
                        "approve {} {}",
                        key.fingerprint, printable(key.user_id), settings_.id, key.fingerprint),
            {}, key.fingerprint);
    }
}

void Archive::tell_of_keys(std::string code, std::string message, std::string who,
                           std::string evidence) const
{
    catalog::Event event;
    event.code = std::move(code);
    event.archive = settings_.id;
    event.message = std::move(message);
    event.who = std::move(who);
    event.evidence = std::move(evidence);
    services_.events.add(std::move(event));
}

std::vector<ProposedKey> Archive::proposed_keys() const
{
    std::vector<ProposedKey> proposed;
    if (approved_.empty())
        return proposed;
    const std::set<std::string> counting = policy(settings_).approved;
    for (const std::string& fingerprint : primaries_of(settings_.keyring)) {
        const auto vouched = vouched_.find(fingerprint);
        // Without Signed-By, a keyring holds the keys of other archives too: only a key that
        // signed beside an approved one has to do with this one.
        const bool is_ours =
            !settings_.pins_first_signer || vouched != vouched_.end() || is_revoked(fingerprint);
        if (counting.count(fingerprint) == 0 && is_ours)
            proposed.push_back({fingerprint, user_of(settings_.keyring, fingerprint),
                                vouched == vouched_.end() ? std::string() : vouched->second});
    }
    return proposed;
}

void Archive::note_vouched(const std::vector<std::string>& keys, const std::string& release_id)
{
    for (const std::string& key : keys) {
        const bool is_first = vouched_.emplace(key, release_id).second;
        if (!is_first)
            continue;
        tell_of_keys(
            "keys.proposed",
            fmt::format("{} ({}) signed a release that approved keys signed too, and "
                        "counts for nothing yet: aptward keys approve {} {}",
                        key, printable(user_of(settings_.keyring, key)), settings_.id, key),
            {}, release_id);
    }
}

// The journal comes first: a key counts once a power cut cannot make it uncounted again.
http::Async<bool> Archive::count_keys(std::set<std::string> keys, std::string who)
{
    // Only an operator brings back what was revoked.
    std::erase_if(keys, [this](const std::string& key) { return is_revoked(key); });
    const std::set<std::string> none;
    co_return co_await change_keys(std::move(keys), none, std::move(who));
}

http::Async<bool> Archive::change_keys(std::set<std::string> added, std::set<std::string> removed,
                                       std::string who)
{
    std::set<std::string> all = approved_;
    all.insert(added.begin(), added.end());
    std::erase_if(all, [&](const std::string& key) { return removed.count(key) > 0; });
    if (all == approved_)
        co_return true;
    auto job = [this, all, who] { return services_.state.approve_keys(settings_.id, all, who); };
    const auto done = co_await http::on_worker(services_.state_thread, std::move(job));
    if (!done) {
        tell_of_keys("store.failed", done.error().message(), {}, {});
        co_return false;
    }
    approved_.insert(added.begin(), added.end());
    std::erase_if(approved_, [&](const std::string& key) { return removed.count(key) > 0; });
    ask_neighbours_again();
    co_return true;
}

http::Task<void> Archive::approve_proposed(std::vector<std::string> fingerprints, std::string who)
{
    std::set<std::string> proposed, chosen;
    for (const ProposedKey& key : proposed_keys())
        proposed.insert(key.fingerprint);
    if (proposed.empty())
        co_return fail(Errc::not_found, "no key of " + settings_.id + " waits for an approval");
    for (std::string fingerprint : fingerprints) {
        fingerprint = upper_hex(std::move(fingerprint));
        if (proposed.count(fingerprint) == 0)
            co_return fail(
                Errc::not_found,
                fmt::format("{} is not proposed for {}; proposed are: {}", printable(fingerprint),
                            settings_.id, fmt::join(proposed, ", ")));
        chosen.insert(fingerprint);
    }
    // "All" are those that nobody has decided on: a revoked key is approved by its name only.
    if (chosen.empty())
        std::copy_if(proposed.begin(), proposed.end(), std::inserter(chosen, chosen.end()),
                     [this](const std::string& key) { return !is_revoked(key); });
    if (chosen.empty())
        co_return fail(Errc::not_found, "the keys of " + settings_.id +
                                            " that wait were revoked: name the one to approve");
    std::set<std::string> marks;
    for (const std::string& key : chosen)
        marks.insert(revoked(key));
    const std::string names = fmt::format("{}", fmt::join(chosen, ", "));
    const bool is_counted = co_await change_keys(chosen, marks, who);
    if (!is_counted)
        co_return fail(Errc::storage, "the journal could not be written: nothing was approved");
    tell_of_keys("keys.approved", names + " counts from now on", std::move(who), {});
    rings_->withdraw();
    co_await past_->compose_again();
    co_return Result<void>();
}

http::Task<void> Archive::revoke_known(std::string fingerprint, std::string who)
{
    fingerprint = upper_hex(std::move(fingerprint));
    std::set<std::string> known = primaries_of(settings_.keyring);
    known.merge(approved_keys());
    for (const auto& [name, suite] : suites_)
        if (suite->view().current)
            for (const std::string& signer : suite->view().current->verified().signers())
                known.insert(signer);
    if (settings_.verify == Verify::unverified)
        co_return fail(Errc::not_found, settings_.id + " is unverified: no key counts there");
    if (known.count(fingerprint) == 0)
        co_return fail(Errc::not_found,
                       fmt::format("{} is no key of {}; there are: {}", printable(fingerprint),
                                   settings_.id, fmt::join(known, ", ")));
    const std::set<std::string> mark = {revoked(fingerprint)}, gone = {fingerprint};
    const bool is_written = co_await change_keys(mark, gone, who);
    if (!is_written)
        co_return fail(Errc::storage, "the journal could not be written: nothing was revoked");
    tell_of_keys("keys.revoked", fingerprint + " counts for nothing any more", std::move(who),
                 fingerprint);
    for (const auto& [name, suite] : suites_) {
        co_await suite->withdraw();
    }
    rings_->withdraw();
    co_await past_->compose_again();
    co_return Result<void>();
}

http::Task<void> Archive::revoke_key(std::string fingerprint, std::string who)
{
    auto make = [self = shared_from_this(), fingerprint, who] {
        return self->revoke_known(fingerprint, who);
    };
    const SteadyTime deadline = steady_now() + kControlLimit;
    co_return co_await http::on_loop(services_.control, "revoking a key", std::move(make),
                                     deadline);
}

http::Task<void> Archive::approve_keys(std::vector<std::string> fingerprints, std::string who)
{
    auto make = [self = shared_from_this(), fingerprints, who] {
        return self->approve_proposed(fingerprints, who);
    };
    const SteadyTime deadline = steady_now() + kControlLimit;
    co_return co_await http::on_loop(services_.control, "approving keys", std::move(make),
                                     deadline);
}

}  // namespace aptward::archive
