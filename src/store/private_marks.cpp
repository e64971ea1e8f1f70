// SPDX-License-Identifier: GPL-3.0-or-later
#include "store/private_marks.h"

#include <fcntl.h>

#include <cerrno>

#include "base/file.h"

namespace aptward::store {
namespace {

std::string name_of(const Digest& digest)
{
    return std::string(to_string(digest.algorithm)) + "-" + digest.hex();
}

}  // namespace

Result<void> PrivateMarks::open(const std::filesystem::path& state)
{
    root_ = state / "private";
    TRY_VOID(make_directories(root_));
    std::error_code failed;
    std::filesystem::recursive_directory_iterator entries(root_, failed), end;
    for (; !failed && entries != end; entries.increment(failed))
        if (entries.depth() == 1)
            archives_[entries->path().filename()].insert(entries->path().parent_path().filename());
    if (failed)
        return fail_errno("reading " + root_.string(), failed.value());
    has_any_ = !archives_.empty();
    return {};
}

std::filesystem::path PrivateMarks::path_of(const std::string& archive,
                                            const std::string& name) const
{
    return root_ / archive / name;
}

bool PrivateMarks::may_give(const Digest& digest, std::string_view archive) const
{
    if (!has_any_.load(std::memory_order_acquire))
        return true;
    const std::lock_guard lock(mutex_);
    const auto marked = archives_.find(name_of(digest));
    return marked == archives_.end() || marked->second.contains(archive);
}

Result<void> PrivateMarks::add(const std::vector<Digest>& digests, const std::string& archive)
{
    TRY_VOID(make_directories(root_ / archive));
    for (const Digest& digest : digests) {
        const std::filesystem::path path = path_of(archive, name_of(digest));
        const Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444));
        if (!file)
            return fail_errno("marking " + path.string(), errno);
    }
    TRY_VOID(sync_directory(root_ / archive));
    const std::lock_guard lock(mutex_);
    for (const Digest& digest : digests)
        archives_[name_of(digest)].insert(archive);
    has_any_.store(true, std::memory_order_release);
    return {};
}

Result<void> PrivateMarks::settle(const Blobs& blobs, const std::vector<Digest>& digests,
                                  const std::string& owner)
{
    if (owner.empty()) {
        remove(digests);
        return {};
    }
    // All are of the same bytes: held under one of them unmarked, they are no secret.
    for (const Digest& digest : digests)
        if (blobs.holds(digest) && may_give(digest, owner))
            return {};
    return add(digests, owner);
}

// A mark that comes back with a power cut costs one more fetch.
void PrivateMarks::remove(const std::vector<Digest>& digests)
{
    if (!has_any_.load(std::memory_order_acquire))
        return;
    const std::lock_guard lock(mutex_);
    for (const Digest& digest : digests) {
        const auto marked = archives_.find(name_of(digest));
        if (marked == archives_.end())
            continue;
        std::error_code ignored;
        for (const std::string& archive : marked->second)
            std::filesystem::remove(path_of(archive, marked->first), ignored);
        archives_.erase(marked);
    }
}

}  // namespace aptward::store
