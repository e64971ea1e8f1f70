// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/listeners.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "node/activation.h"
#include "node/config_listeners.h"
#include "node/port_holder.h"

namespace aptward::node {
namespace {

bool is_path(const std::string& address)
{
    return address.rfind("unix:", 0) == 0;
}

void remove_socket_file(const http::Listening& listening)
{
    if (is_path(listening.name))
        ::unlink(listening.name.c_str() + 5);
}

std::string_view port_of(std::string_view address)
{
    return is_path(std::string(address)) ? "" : address.substr(address.rfind(':') + 1);
}

// One more descriptor of the same socket; the door is shared.
Result<http::Listening> twin_of(const http::Listening& listening)
{
    Fd socket(::fcntl(listening.socket.get(), F_DUPFD_CLOEXEC, 0));
    if (!socket)
        return fail_errno("keeping " + listening.name, errno);
    return http::Listening{std::move(socket), listening.name, listening.is_local_socket,
                           listening.door};
}

std::shared_ptr<http::Door> door_of(const ListenerSettings& settings)
{
    return settings.admission ? std::make_shared<http::Door>(settings.admission) : nullptr;
}

}  // namespace

ListenerPlan::~ListenerPlan()
{
    for (const Wanted& wanted : wanted_)
        if (!wanted.before && wanted.to_serve.socket && !wanted.is_inherited)
            remove_socket_file(wanted.to_serve);
}

std::vector<std::string> ListenerPlan::own_addresses() const
{
    std::vector<std::string> names;
    for (const Wanted& wanted : wanted_)
        if (wanted.settings.serves_archive)
            names.push_back(wanted.to_serve.name);
    return names;
}

Listeners::Listeners(http::Loops& loops, archive::Front& front, console::Admin& admin)
    : loops_(loops),
      to_front_([&front, &admin](http::Exchange& exchange) {
          return admin.is_for_clients(exchange) ? admin.answer(exchange) : front.answer(exchange);
      }),
      to_admin_([&admin](http::Exchange& exchange) { return admin.answer(exchange); }),
      to_both_([&front, &admin](http::Exchange& exchange) {
          return admin.is_asked(exchange) ? admin.answer(exchange) : front.answer(exchange);
      }),
      shortcut_(front),
      inherited_(inherited_sockets())
{
}

Result<http::Listening> Listeners::bind(const std::string& address, Kind kind) const
{
    if (is_path(address))
        TRY_VOID(make_directories(std::filesystem::path(address.substr(5)).parent_path()));
    auto listening = http::listen_on(address);
    if (listening || is_path(address) || listening.error().code() != Errc::unavailable)
        return listening;
    for (const Open& open : open_)
        if (port_of(open.listening.name) == port_of(address))
            return fail(Errc::unavailable,
                        fmt::format("{} overlaps with {}, which this node has open; for a change "
                                    "of this kind, restart the node",
                                    address, open.listening.name));
    const std::string_view example = kind == Kind::admin   ? "admin = \"127.0.0.1:3144\""
                                     : kind == Kind::table ? "address = \"127.0.0.1:3145\""
                                                           : "listen = [\"127.0.0.1:3143\"]";
    return fail(Errc::unavailable, in_use_message(address, example));
}

Result<void> Listeners::add_bound(ListenerPlan& plan, Kind kind, ListenerSettings settings,
                                  http::Listening bound, bool is_inherited) const
{
    bound.door = door_of(settings);
    TRY(auto to_serve, twin_of(bound));
    plan.wanted_.push_back({kind, std::move(settings), std::nullopt, std::move(bound),
                            std::move(to_serve), is_inherited});
    return {};
}

Result<void> Listeners::add_open(ListenerPlan& plan, Kind kind, ListenerSettings settings,
                                 std::size_t at) const
{
    const Open& open = open_[at];
    TRY(auto to_serve, twin_of(open.listening));
    plan.wanted_.push_back(
        {kind, std::move(settings), at, {}, std::move(to_serve), open.is_inherited});
    return {};
}

// What is open at this address already, or a new socket.
Result<void> Listeners::add(ListenerPlan& plan, Kind kind, ListenerSettings settings) const
{
    const auto is_taken = [&](std::size_t at) {
        return std::any_of(plan.wanted_.begin(), plan.wanted_.end(),
                           [&](const Wanted& wanted) { return wanted.before == at; });
    };
    for (std::size_t at = 0; at < open_.size(); ++at)
        if (open_[at].settings.address == settings.address && !is_taken(at))
            return add_open(plan, kind, std::move(settings), at);
    TRY(auto bound, bind(settings.address, kind));
    return add_bound(plan, kind, std::move(settings), std::move(bound), false);
}

// What the service manager bound: it holds these sockets for as long as it likes, so a
// configuration can say how they are served, and not that they are closed.
Result<void> Listeners::add_inherited(ListenerPlan& plan, const Config& config)
{
    const auto settings_of = [&](const std::string& name) {
        for (const ListenerSettings& settings : config.listeners)
            if (settings.address == name)
                return std::pair(Kind::table, settings);
        return std::pair(Kind::plain, ListenerSettings{name, true, false, nullptr});
    };
    for (http::Listening& listening : std::exchange(inherited_, {})) {
        auto [kind, settings] = settings_of(listening.name);
        TRY_VOID(add_bound(plan, kind, std::move(settings), std::move(listening), true));
    }
    for (std::size_t at = 0; at < open_.size(); ++at) {
        if (!open_[at].is_inherited)
            continue;
        auto [kind, settings] = settings_of(open_[at].listening.name);
        TRY_VOID(add_open(plan, kind, std::move(settings), at));
    }
    return {};
}

Result<ListenerPlan> Listeners::prepare(const Config& config)
{
    ListenerPlan plan;
    TRY_VOID(add_inherited(plan, config));
    const bool is_activated = !plan.wanted_.empty();
    const auto is_inherited = [&](const ListenerSettings& settings) {
        return std::any_of(plan.wanted_.begin(), plan.wanted_.end(), [&](const Wanted& wanted) {
            return wanted.is_inherited && wanted.settings.address == settings.address;
        });
    };
    for (const ListenerSettings& settings : config.listeners)
        if (!is_inherited(settings))
            TRY_VOID(add(plan, Kind::table, settings));
    if (is_activated && !config.listen.empty() && config.listen != Config().listen)
        log_warning("config.note", {},
                    "listen is not used: the service manager holds the port (aptward.socket)");
    if (!is_activated)
        for (const std::string& address : config.listen)
            TRY_VOID(add(plan, Kind::plain, {address, true, false, nullptr}));
    TRY_VOID(
        add(plan, Kind::admin,
            {config.admin, false, true, admission_of_admin(config.admin, config.admin_users)}));
    return plan;
}

void Listeners::begin(Open& open, http::Listening to_serve)
{
    const ListenerSettings& settings = open.settings;
    to_serve.door = open.listening.door;
    const http::Handler& handler = !settings.serves_admin    ? to_front_
                                   : settings.serves_archive ? to_both_
                                                             : to_admin_;
    open.served = loops_.serve(std::move(to_serve), handler, {},
                               settings.serves_archive ? &shortcut_ : nullptr);
    log_info("listener.opened",
             {{"address", open.listening.name},
              {"tls", settings.admission && settings.admission->tls ? "yes" : "no"}},
             "a listener is open");
}

// New rules count from the next request; who serves is changed by serving the same socket anew.
Listeners::Open Listeners::change(Wanted wanted, Open old)
{
    Open open{wanted.kind, std::move(wanted.settings), std::move(old.listening), old.is_inherited,
              std::move(old.served)};
    std::shared_ptr<http::Door>& door = open.listening.door;
    const bool has_door = door != nullptr;
    if (has_door && open.settings.admission)
        door->store(open.settings.admission);
    else
        door = door_of(open.settings);
    if (open.settings.serves_admin != old.settings.serves_admin ||
        open.settings.serves_archive != old.settings.serves_archive ||
        has_door != (door != nullptr)) {
        open.served.close();
        begin(open, std::move(wanted.to_serve));
    }
    return open;
}

void Listeners::serve(ListenerPlan plan)
{
    std::vector<Open> before = std::exchange(open_, {});
    for (Wanted& wanted : plan.wanted_) {
        if (wanted.before) {
            Open& old = before[*wanted.before];
            open_.push_back(change(std::move(wanted), std::move(old)));
            continue;
        }
        open_.push_back({wanted.kind,
                         std::move(wanted.settings),
                         std::move(wanted.bound),
                         wanted.is_inherited,
                         {}});
        begin(open_.back(), std::move(wanted.to_serve));
    }
    for (Open& old : before) {
        if (!old.listening.socket)
            continue;  // it goes on
        old.served.close();
        remove_socket_file(old.listening);
        log_info("listener.closed", {{"address", old.listening.name}},
                 "the new configuration has no such listener");
    }
}

std::vector<std::string> Listeners::names_of(Kind kind) const
{
    std::vector<std::string> names;
    for (const Open& open : open_)
        if (open.kind == kind)
            names.push_back(open.listening.name);
    return names;
}

std::vector<std::string> Listeners::plain_addresses() const
{
    return names_of(Kind::plain);
}

std::vector<std::string> Listeners::addresses() const
{
    return names_of(Kind::table);
}

std::vector<std::string> Listeners::open_addresses() const
{
    std::vector<std::string> names;
    for (const Open& open : open_) {
        const auto& admission = open.settings.admission;
        const bool is_open =
            !admission ||
            (admission->tls == nullptr && admission->authentication == http::Authentication::none);
        if (open.settings.serves_archive && is_open)
            names.push_back(open.listening.name);
    }
    return names;
}

std::string Listeners::admin_address() const
{
    return names_of(Kind::admin).front();
}

}  // namespace aptward::node
