// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/awaited.h"

namespace aptward::archive {

std::shared_ptr<void> Awaited::add(Release release)
{
    std::list<Release> one;
    one.push_back(std::move(release));
    const auto here = one.begin();
    {
        const std::lock_guard lock(all_->mutex);
        all_->releases.splice(all_->releases.end(), one);
    }
    return std::shared_ptr<void>(all_.get(), [all = all_, here](void*) {
        const std::lock_guard lock(all->mutex);
        all->releases.erase(here);
    });
}

std::shared_ptr<void> Awaited::expect()
{
    {
        const std::lock_guard lock(all_->mutex);
        ++all_->expected;
    }
    return std::shared_ptr<void>(all_.get(), [all = all_](void*) {
        const std::lock_guard lock(all->mutex);
        --all->expected;
    });
}

void Awaited::for_each(const std::function<void(const Release& release)>& visit) const
{
    const std::lock_guard lock(all_->mutex);
    for (const Release& release : all_->releases)
        visit(release);
}

bool Awaited::is_any() const
{
    const std::lock_guard lock(all_->mutex);
    return all_->expected > 0 || !all_->releases.empty();
}

}  // namespace aptward::archive
