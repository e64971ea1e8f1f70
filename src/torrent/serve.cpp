// SPDX-License-Identifier: GPL-3.0-or-later
#include "torrent/serve.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <optional>

#include "base/clock.h"
#include "base/version.h"
#include "crypto/confine_service.h"
#include "swarm/channel.h"
#include "torrent/session.h"

namespace aptward::torrent {
namespace {

constexpr std::chrono::seconds kLookAround{2};

/// What the node says, and what becomes of it.
class Service {
public:
    explicit Service(Fd control) : channel_(std::move(control)) {}

    // Until the node ends, or says what is none.
    Result<void> run()
    {
        for (;;) {
            TRY_VOID(wait());
            if (session_)
                session_->look();
            TRY_VOID(take_all());
            if (session_ && steady_now() >= look_around_) {
                session_->look_around();
                look_around_ = steady_now() + kLookAround;
            }
            TRY_VOID(said_);
            TRY_VOID(channel_.flush());
        }
    }

private:
    Result<void> wait()
    {
        const auto events = static_cast<short>(channel_.has_waiting() ? POLLIN | POLLOUT : POLLIN);
        std::array<::pollfd, 2> watched{::pollfd{channel_.fd(), events, 0},
                                        ::pollfd{session_ ? session_->fd() : -1, POLLIN, 0}};
        constexpr std::chrono::milliseconds kLookAgain{1000};
        ::poll(watched.data(), watched.size(), static_cast<int>(kLookAgain.count()));
        if (watched[0].revents != 0)
            return channel_.receive();
        return {};
    }

    Result<void> take_all()
    {
        for (;;) {
            TRY(const auto message, channel_.next());
            if (!message)
                return {};
            TRY(const auto order, swarm::parse_order(*message));
            TRY_VOID(take(order));
        }
    }

    Result<void> take(const swarm::Order& order)
    {
        const auto* const start = std::get_if<swarm::Start>(&order);
        if ((start == nullptr) != session_.has_value())
            return fail(Errc::malformed, "the node says things in no order");
        if (start != nullptr) {
            session_.emplace(*start, [this](const swarm::Word& word) { say(word); });
            say(swarm::Ready{swarm::kProtocol, fmt::format("aptward-swarm/{}", version())});
            return {};
        }
        std::visit(
            [this](const auto& one) {
                if constexpr (!std::is_same_v<std::decay_t<decltype(one)>, swarm::Start>)
                    session_->take(one);
            },
            order);
        return {};
    }

    void say(const swarm::Word& word)
    {
        if (said_)
            said_ = channel_.send(to_string(word));
    }

    swarm::Channel channel_;
    std::optional<Session> session_;
    SteadyTime look_around_{};
    Result<void> said_;
};

}  // namespace

int serve(Fd control, const std::filesystem::path& staging)
{
    const auto confined = crypto::confine_service(staging);
    if (!confined) {
        std::fprintf(stderr, "aptward-swarm: %s\n", confined.error().message().c_str());
        return 1;
    }
    Service service(std::move(control));
    const auto ended = service.run();
    if (ended || ended.error().code() == Errc::unavailable)  // the node is gone
        return 0;
    std::fprintf(stderr, "aptward-swarm: %s\n", ended.error().message().c_str());
    return 1;
}

}  // namespace aptward::torrent
