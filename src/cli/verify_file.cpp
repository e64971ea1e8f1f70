// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/verify_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/text.h"
#include "deb/deb_file.h"

namespace aptward::cli {
namespace {

constexpr std::string_view kSignedMessage = "-----BEGIN PGP SIGNED MESSAGE-----";

/// A file as memory, for as long as this lives.
class Mapped {
public:
    Mapped(const Fd& file, std::size_t size) : size_(size)
    {
        if (size > 0)
            at_ = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    }
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;
    ~Mapped()
    {
        if (is_there() && size_ > 0)
            ::munmap(at_, size_);
    }
    bool is_there() const { return at_ != MAP_FAILED; }
    std::string_view bytes() const { return {static_cast<const char*>(at_), size_}; }

private:
    void* at_ = nullptr;
    std::size_t size_;
};

bool ends_with(std::string_view text, std::string_view end)
{
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// The names of Debian's files need no encoding in a query; others are not asked for.
bool is_plain_name(std::string_view name)
{
    return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '+' || c == '-' || c == '~' || c == '_';
    });
}

void add_name(VerifiedFile& file, std::string name)
{
    if (is_plain_name(name) &&
        std::find(file.names.begin(), file.names.end(), name) == file.names.end())
        file.names.push_back(std::move(name));
}

void read_package(std::string_view bytes, VerifiedFile& file)
{
    deb::DebFile deb;
    const auto read = deb::read_deb(bytes, deb);
    if (!read) {
        file.trouble = "it is " + read.error().message();
        return;
    }
    file.package = deb.package;
    file.version = deb.version;
    file.what = deb.package + " " + deb.version;
    add_name(file, deb.usual_name());
}

// apt's own lists are named "deb.debian.org_debian_dists_bookworm_InRelease".
bool is_release_text(std::string_view name, std::string_view bytes)
{
    if (ends_with(name, "Release"))
        return true;
    if (bytes.substr(0, kSignedMessage.size()) != kSignedMessage)
        return false;
    const auto split = crypto::split_clearsigned(bytes);
    return split && deb::parse_release(split->text).has_value();  // a .dsc is signed as well
}

void read_release(const std::filesystem::path& path, std::string_view bytes, VerifiedFile& file)
{
    file.is_release = true;
    Result<crypto::SignedText> split = fail(Errc::not_found, "");
    if (bytes.substr(0, kSignedMessage.size()) == kSignedMessage ||
        ends_with(path.filename().string(), "InRelease")) {
        split = crypto::split_clearsigned(bytes);
    } else {
        auto signature = read_file(path.string() + ".gpg", crypto::kMaxReleaseBytes);
        if (signature)
            split = crypto::join_detached(bytes, *signature);
        else
            split = fail(Errc::malformed,
                         "its signature " + path.filename().string() + ".gpg is not beside it");
    }
    if (!split) {
        file.trouble = split.error().message();
        return;
    }
    file.release = *std::move(split);
    file.release_id = trust::release_id(file.release.text);
}

}  // namespace

Result<VerifiedFile> read_for_verification(const std::filesystem::path& path)
{
    const Fd opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened)
        return fail_errno("it cannot be opened", errno);
    struct ::stat status{};
    if (::fstat(opened.get(), &status) != 0 || !S_ISREG(status.st_mode))
        return fail(Errc::storage, "it is not a file");
    const Mapped mapped(opened, static_cast<std::size_t>(status.st_size));
    if (!mapped.is_there())
        return fail_errno("it cannot be read", errno);
    const std::string_view bytes = mapped.bytes();
    VerifiedFile file;
    for (const HashAlgorithm algorithm : {HashAlgorithm::sha256, HashAlgorithm::sha512})
        file.digests.push_back(crypto::digest_of(bytes, algorithm));
    const std::string name = path.filename().string();
    file.what = name;
    if (is_release_text(name, bytes)) {
        read_release(path, bytes, file);
        return file;
    }
    add_name(file, name);
    if (deb::looks_like_deb(bytes))
        read_package(bytes, file);
    return file;
}

bool SignatureCheck::has_archive() const
{
    return archive_.empty() ||
           std::any_of(config_.archives.begin(), config_.archives.end(),
                       [this](const auto& settings) { return settings.id == archive_; });
}

SignatureOutcome SignatureCheck::run_under(const archive::ArchiveSettings& settings,
                                           const VerifiedFile& file, const std::string& suite)
{
    SignatureOutcome outcome;
    outcome.archive = settings.id;
    const auto signatures = engine_.verify(file.release, settings.keyring);
    if (!signatures) {
        outcome.verdict = {"release.engine", signatures.error().message()};
        return outcome;
    }
    trust::Policy policy;
    policy.signed_by = settings.signed_by;
    policy.threshold = settings.threshold;
    policy.suite_aliases = settings.suite_aliases;
    auto judgement = trust::judge(file.release, *signatures, settings.keyring, policy, {}, suite,
                                  system_now(), trust::Freshness::stored);
    outcome.is_good = judgement.is_accepted();
    outcome.verdict = std::move(judgement.verdict);
    outcome.signers = std::move(judgement.signers);
    return outcome;
}

SignatureOutcome SignatureCheck::run(const VerifiedFile& file, const nlohmann::json& place)
{
    SignatureOutcome best;
    best.verdict = {"release.malformed", file.trouble};
    if (file.release_id.empty())
        return best;
    const auto text = deb::parse_release(file.release.text);
    const std::string own_suite = text ? (text->suite.empty() ? text->codename : text->suite) : "";
    best.verdict = {"release.unknown-key", "no verified archive is configured"};
    for (const archive::ArchiveSettings& settings : config_.archives) {
        const bool is_known = place.is_object() && place.value("archive", "") == settings.id;
        if ((!archive_.empty() && settings.id != archive_) || settings.keyring.keys.empty() ||
            (place.is_object() && !is_known))
            continue;
        SignatureOutcome outcome =
            run_under(settings, file, is_known ? place.value("suite", "") : own_suite);
        const bool says_more = best.archive.empty() || best.verdict.code == "release.unknown-key";
        if (outcome.is_good || says_more)
            best = std::move(outcome);
        if (best.is_good)
            break;
    }
    return best;
}

}  // namespace aptward::cli
