// SPDX-License-Identifier: GPL-3.0-or-later
#include "tlog/identity.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"

namespace aptward::tlog {
namespace {

// For people: which node has this key. The key itself tells them apart.
std::string name_of_machine()
{
    char name[256] = "";
    ::gethostname(name, sizeof name - 1);
    return is_key_name(name) ? name : "aptward";
}

// Root may make it for a node that runs as somebody else.
Result<void> give_to_owner(const Fd& file, const std::filesystem::path& state)
{
    struct ::stat folder{};
    if (::stat(state.c_str(), &folder) != 0)
        return fail_errno("looking at " + state.string(), errno);
    if (folder.st_uid != ::geteuid() && ::fchown(file.get(), folder.st_uid, folder.st_gid) != 0)
        return fail_errno("giving the node's key to the owner of " + state.string(), errno);
    return {};
}

Result<void> make_identity(const std::filesystem::path& state, const std::filesystem::path& path)
{
    const SignerKey key(name_of_machine(), crypto::make_ed25519_seed());
    TRY(const Fd file, create_unnamed(state, 0600));
    TRY_VOID(give_to_owner(file, state));
    TRY_VOID(write_all(file.get(), key.to_string() + "\n"));
    if (::fdatasync(file.get()) != 0)
        return fail_errno("syncing " + path.string(), errno);
    return name_durably(file, path);
}

}  // namespace

Result<SignerKey> load_identity(const std::filesystem::path& state)
{
    const auto path = state / "identity";
    auto text = read_file(path, 4096);
    if (!text && text.error().code() == Errc::not_found) {
        TRY_VOID(make_identity(state, path));
        text = read_file(path, 4096);
    }
    if (!text)
        return tl::unexpected<Error>(text.error());
    auto key = SignerKey::parse(text->substr(0, text->find('\n')));
    if (!key)
        return tl::unexpected<Error>(std::move(key).error().within(path.string()));
    return key;
}

}  // namespace aptward::tlog
