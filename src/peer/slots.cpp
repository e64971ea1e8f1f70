// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/slots.h"

namespace aptward::peer {

std::shared_ptr<void> Slots::take(const std::string& address)
{
    {
        const std::lock_guard lock(mutex_);
        std::size_t& count = taken_[address];
        if (count >= most_)
            return nullptr;
        ++count;
    }
    return std::shared_ptr<void>(this, [this, address](void*) {
        const std::lock_guard lock(mutex_);
        if (--taken_[address] == 0)
            taken_.erase(address);
    });
}

}  // namespace aptward::peer
