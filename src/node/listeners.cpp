// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/listeners.h"

#include <algorithm>

#include "base/log.h"
#include "node/activation.h"
#include "node/config_listeners.h"
#include "node/port_holder.h"

namespace aptward::node {
namespace {

Result<http::Listening> bind(const std::string& address)
{
    const bool is_path = address.rfind("unix:", 0) == 0;
    if (is_path)
        TRY_VOID(make_directories(std::filesystem::path(address.substr(5)).parent_path()));
    auto listening = http::listen_on(address);
    if (!listening && !is_path && listening.error().code() == Errc::unavailable)
        return fail(Errc::unavailable, in_use_message(address));
    return listening;
}

// A socket of the service manager with this address, or one of our own.
Result<http::Listening> take_or_bind(std::vector<http::Listening>& inherited,
                                     const std::string& address)
{
    const auto found = std::find_if(inherited.begin(), inherited.end(),
                                    [&](const auto& socket) { return socket.name == address; });
    if (found == inherited.end())
        return bind(address);
    http::Listening listening = std::move(*found);
    inherited.erase(found);
    return listening;
}

}  // namespace

Result<void> Listeners::open(const Config& config)
{
    std::vector<http::Listening> inherited = inherited_sockets();
    const bool is_activated = !inherited.empty();
    for (const ListenerSettings& settings : config.listeners) {
        TRY(auto listening, take_or_bind(inherited, settings.address));
        listening.door = std::make_shared<http::Door>(settings.admission);
        std::string name = listening.name;
        log_info("listener.opened",
                 {{"address", name}, {"tls", settings.admission->tls ? "yes" : "no"}},
                 "a listener is open");
        listeners_.push_back({settings, std::move(name), std::move(listening)});
    }
    if (is_activated && !config.listen.empty() && config.listen != Config().listen)
        log_warning("config.note", {},
                    "listen is not used: the service manager holds the port (aptward.socket)");
    if (!is_activated)
        for (const std::string& address : config.listen) {
            TRY(auto listening, bind(address));
            inherited.push_back(std::move(listening));
        }
    for (http::Listening& listening : inherited) {
        std::string name = listening.name;
        plain_.push_back({{name, true, false, nullptr}, name, std::move(listening)});
    }
    TRY(admin_.listening, bind(config.admin));
    admin_.settings = {config.admin, false, true,
                       admission_of_admin(config.admin, config.admin_users)};
    admin_.name = admin_.listening.name;
    admin_.listening.door = std::make_shared<http::Door>(admin_.settings.admission);
    return {};
}

void Listeners::serve(http::Loops& loops, archive::Front& front, console::Admin& admin)
{
    const http::Handler to_front = [&front](http::Exchange& exchange) {
        return front.answer(exchange);
    };
    const http::Handler to_admin = [&admin](http::Exchange& exchange) {
        return admin.answer(exchange);
    };
    const http::Handler to_both = [&front, &admin](http::Exchange& exchange) {
        return admin.is_asked(exchange) ? admin.answer(exchange) : front.answer(exchange);
    };
    const auto begin = [&](Open& open) {
        const ListenerSettings& settings = open.settings;
        // The door itself stays with us, for readmit.
        http::Listening listening = std::move(open.listening);
        open.listening.door = listening.door;
        loops.serve(std::move(listening),
                    !settings.serves_admin    ? to_front
                    : settings.serves_archive ? to_both
                                              : to_admin,
                    {}, settings.serves_archive ? &front : nullptr);
    };
    for (Open& open : plain_)
        begin(open);
    for (Open& open : listeners_)
        begin(open);
    begin(admin_);
}

void Listeners::readmit(const Config& config)
{
    admin_.listening.door->store(admission_of_admin(admin_.settings.address, config.admin_users));
    std::vector<bool> is_taken(config.listeners.size());
    for (Open& open : listeners_) {
        std::size_t at = 0;
        while (at < config.listeners.size() &&
               (is_taken[at] || config.listeners[at].address != open.settings.address))
            ++at;
        if (at == config.listeners.size()) {
            log_warning("listener.kept", {{"listener", open.name}},
                        "the new configuration has no such listener; it goes on as it was until "
                        "the node is restarted");
            continue;
        }
        is_taken[at] = true;
        open.listening.door->store(config.listeners[at].admission);
    }
    for (std::size_t at = 0; at < is_taken.size(); ++at)
        if (!is_taken[at])
            log_warning("listener.not-opened", {{"listener", config.listeners[at].address}},
                        "a new listener is opened when the node is restarted");
}

std::vector<std::string> Listeners::plain_addresses() const
{
    std::vector<std::string> names;
    for (const Open& open : plain_)
        names.push_back(open.name);
    return names;
}

std::vector<std::string> Listeners::addresses() const
{
    std::vector<std::string> names;
    for (const Open& open : listeners_)
        names.push_back(open.name);
    return names;
}

std::vector<std::string> Listeners::own_addresses() const
{
    std::vector<std::string> names = plain_addresses();
    for (const Open& open : listeners_)
        if (open.settings.serves_archive)
            names.push_back(open.name);
    return names;
}

}  // namespace aptward::node
