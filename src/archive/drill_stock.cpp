// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/drill_stock.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "archive/deliveries.h"
#include "archive/index_table.h"
#include "store/deliveries.h"

namespace aptward::archive {
namespace {

constexpr std::size_t kMostDeliveries = 100'000;

struct Index {
    std::string suite;
    catalog::GenerationPtr generation;
    deb::IndexName name;
};

struct Newest {
    DrillStock::Package package;
    Digest digest;
};
using NewestByName = std::map<std::string, Newest, std::less<>>;

// Those that are read: what clients use. Installers' packages are for no apt.
std::vector<Index> package_indexes(const catalog::ArchiveView& view)
{
    std::vector<Index> indexes;
    for (const auto& [suite, state] : view.suites)
        if (state.current)
            for (const auto& [base, table] : state.current->tables()) {
                deb::IndexName name = deb::classify_index(base);
                if (name.kind == deb::IndexKind::packages &&
                    name.component.find("debian-installer") == std::string::npos)
                    indexes.push_back({suite, state.current, std::move(name)});
            }
    return indexes;
}

// This machine's, where it is among them.
std::string choose_architecture(const std::vector<Index>& indexes, const std::string& own)
{
    std::string first;
    for (const Index& index : indexes) {
        const std::string& one = index.name.architecture;
        if (one == own)
            return own;
        if (first.empty() && one != "all")
            first = one;
    }
    return first.empty() ? own : first;
}

void add_suite(std::vector<DrillStock::Suite>& suites, const Index& index)
{
    if (suites.empty() || suites.back().name != index.suite)
        suites.push_back({index.suite, {}});
    auto& components = suites.back().components;
    const std::string& one = index.name.component;
    if (!one.empty() && std::find(components.begin(), components.end(), one) == components.end())
        components.push_back(one);
}

Result<void> add_packages(NewestByName& newest, std::string_view text)
{
    return deb::scan_packages(text, [&](const deb::PoolFile& file) {
        const deb::PackageFields fields = deb::read_package_fields(file.record);
        Newest& known = newest[std::string(fields.package)];
        if (!known.package.name.empty() &&
            deb::compare_versions(fields.version, known.package.version) <= 0)
            return;
        known.package = {std::string(fields.package), std::string(fields.version),
                         std::string(file.path), file.digest.size_bytes};
        known.digest = file.digest;
    });
}

// "foo" of "pool/main/f/foo/foo_1.2-3_amd64.deb".
std::string package_of(std::string_view path)
{
    path.remove_prefix(path.rfind('/') + 1);
    return std::string(path.substr(0, path.find('_')));
}

Result<std::map<std::string, std::set<std::string>>> clients_by_package(const Services& services,
                                                                        const std::string& archive,
                                                                        SystemTime since)
{
    store::DeliveryQuery query;
    query.since_ms = to_unix(since) * 1000;
    query.limit = kMostDeliveries;
    std::map<std::string, std::set<std::string>> clients;
    const auto found = store::find_deliveries(services.deliveries.folder(), query);
    if (!found && found.error().code() != Errc::not_found)
        return tl::unexpected<Error>(found.error());
    if (found)
        for (const store::KeptDelivery& delivery : found->deliveries)
            if (delivery.archive == archive && delivery.path.ends_with(".deb"))
                clients[package_of(delivery.path)].insert(delivery.client);
    return clients;
}

std::vector<DrillStock::Package> spread(const std::vector<DrillStock::Package>& all,
                                        std::size_t most)
{
    if (most == 0 || all.size() <= most)
        return all;
    std::vector<DrillStock::Package> some;
    for (std::size_t i = 0; i < most; ++i)
        some.push_back(all[i * all.size() / most]);
    return some;
}

}  // namespace

Result<DrillStock> look_at_stock(const Services& services, const Archive& archive, std::size_t most,
                                 SystemTime since)
{
    const auto view = archive.view();
    const std::vector<Index> indexes = package_indexes(*view);
    if (indexes.empty())
        return fail(Errc::not_found,
                    "no index of packages of " + archive.settings().id +
                        " is held yet: let a client run apt-get update first, or aptward mirror");
    DrillStock stock;
    stock.architecture = choose_architecture(indexes, services.architecture);
    NewestByName newest;
    for (const Index& index : indexes) {
        const std::string& architecture = index.name.architecture;
        if (!architecture.empty() && architecture != "all" && architecture != stock.architecture)
            continue;
        TRY(const std::string text,
            read_index(services.blobs, index.generation->release(), index.name.base));
        TRY_VOID(add_packages(newest, text));
        add_suite(stock.suites, index);
    }
    TRY(const auto clients, clients_by_package(services, archive.settings().id, since));
    std::vector<DrillStock::Package> held, missing;
    for (auto& [name, one] : newest) {
        const bool is_held = services.blobs.holds(one.digest) &&
                             services.private_marks.may_give(one.digest, archive.settings().id);
        const auto asked = clients.find(name);
        if (!is_held && asked != clients.end())
            stock.misses.push_back({one.package, {asked->second.begin(), asked->second.end()}});
        (is_held ? held : missing).push_back(std::move(one.package));
    }
    stock.listed = newest.size();
    stock.held = held.size();
    stock.some_held = spread(held, most);
    std::sort(missing.begin(), missing.end(), [](const auto& a, const auto& b) {
        return std::tie(a.bytes, a.name) < std::tie(b.bytes, b.name);
    });
    if (most != 0 && missing.size() > most)
        missing.resize(most);
    stock.some_missing = std::move(missing);
    return stock;
}

}  // namespace aptward::archive
