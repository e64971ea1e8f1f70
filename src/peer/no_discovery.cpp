// SPDX-License-Identifier: GPL-3.0-or-later
// Where this is built without Avahi (-DAPTWARD_AVAHI=OFF, or no library): instead of avahi.cpp.
#include <atomic>

#include "peer/discovery.h"

namespace aptward::peer {
namespace {

class NoDiscovery : public Discovery {
public:
    void use(bool is_on, const Announcement&) override { is_on_ = is_on; }
    std::shared_ptr<const Services> services() const override { return none_; }
    Report report() const override
    {
        return {is_on_ ? State::not_built : State::off, "this program was built without Avahi", ""};
    }

private:
    const std::shared_ptr<const Services> none_ = std::make_shared<const Services>();
    std::atomic<bool> is_on_{false};
};

}  // namespace

std::unique_ptr<Discovery> make_discovery()
{
    return std::make_unique<NoDiscovery>();
}

}  // namespace aptward::peer
