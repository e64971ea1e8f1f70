// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/bundle_wishes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/commands.h"
#include "stock/closure.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kPatience{600};  // a second or two for each machine
constexpr const char* kAnyUri = "http://archive/";

std::vector<std::string> texts(const Json& json, const char* key)
{
    return json.value(key, std::vector<std::string>());
}

// Whether the machine gets a version of an installed package ("foo=2", "foo:i386=2") from an index:
// that is its upgrade.
bool is_upgraded(const Json& look, const std::string& installed)
{
    const std::string name = installed.substr(0, installed.find('='));
    const Json& wanted = look.at("wanted");
    return std::any_of(wanted.begin(), wanted.end(), [&](const Json& file) {
        const std::string package = file.at("package");
        return package == name || package + ":" + file.value("architecture", "") == name;
    });
}

// What a machine's look says, as far as a bundle can bring it or has to do without it.
void add(const Json& look, bundle::Request& request)
{
    for (const Json& place : look.at("places"))
        request.parts.push_back({place.at("archive"), {place.at("suite")}});
    for (const Json& file : look.at("wanted"))
        request.files->push_back({file.at("archive"), file.at("suite"), file.at("path")});
    const std::string name = look.at("name");
    const auto miss = [&](const std::string& what) {
        request.missing.push_back(name + ": " + what);
    };
    for (const std::string& source : texts(look, "not_from_here"))
        miss(source + " is not served by this node");
    for (const std::string& index : texts(look, "unread"))
        miss(index + " is not held");
    for (const Json& asked : look.at("asked"))
        if (const std::string why = asked.value("why_not", ""); !why.empty())
            miss(asked.value("package", "") + ": " + why);
    for (const std::string& installed : texts(look, "unlisted"))
        if (!is_upgraded(look, installed))
            miss(installed + " is installed, and in no index");
    if (const std::string why = look.value("cannot_upgrade", ""); !why.empty())
        miss("apt cannot upgrade it: " + why);
}

Result<bundle::Request> read_looks(const Json& looks)
{
    bundle::Request request;
    request.files.emplace();
    for (const Json& look : looks) {
        const std::string name = look.at("name");
        if (look.contains("failure"))
            return fail(Errc::unavailable, fmt::format("not known what {} wants: {}", name,
                                                       look.at("failure").get<std::string>()));
        request.whom +=
            fmt::format("{}{} {}", request.whom.empty() ? "" : ", ",
                        look.at("kind") == "machine" ? "the machine" : "the list", name);
        add(look, request);
    }
    if (request.parts.empty())
        return fail(Errc::not_found,
                    request.whom + ": no release of its sources is held by this node");
    return request;
}

class Wishes {
public:
    Wishes(const Shelves& shelves, bool has_recommends, bundle::Request& request)
        : shelves_(shelves), has_recommends_(has_recommends), request_(request)
    {
    }

    Result<void> add(const std::vector<std::string>& packages)
    {
        const bundle::Request::Part& part = request_.parts.front();
        const auto archive = shelves_.held.archives.find(part.archive);
        if (archive == shelves_.held.archives.end() ||
            std::any_of(part.suites.begin(), part.suites.end(), [&](const std::string& suite) {
                const auto view = archive->second.suites.find(suite);
                return view == archive->second.suites.end() || !view->second.current;
            }))
            return {};  // the plan names those that there are
        view_ = std::make_shared<const catalog::ArchiveView>(archive->second);
        for (const auto& [suite, view] : view_->suites)
            if (view.current && (part.suites.empty() ||
                                 std::count(part.suites.begin(), part.suites.end(), suite) > 0))
                add_source(suite, *view.current);
        if (sources_.empty())
            return fail(Errc::not_found,
                        "no index of packages is held: let a client of the node run apt-get "
                        "update first");
        if (architectures_.empty())
            architectures_.insert(deb::native_architecture());
        for (const std::string& architecture : architectures_)
            TRY_VOID(look(architecture, packages));
        for (const auto& [package, why] : refused_)
            if (known_.count(package) == 0)
                request_.missing.push_back(package + ": " + why);
        request_.missing.insert(request_.missing.end(), unread_.begin(), unread_.end());
        request_.packages = packages;
        for (const std::string& package : packages)
            if (brought_.count(package) != 0)
                request_.brought.push_back(package);
        return {};
    }

private:
    void add_source(const std::string& suite, const catalog::Generation& generation)
    {
        std::set<std::string> components;
        bool has_packages = false;
        for (const auto& [base, table] : generation.tables()) {
            const deb::IndexName index = deb::classify_index(base);
            if (index.kind != deb::IndexKind::packages)
                continue;
            has_packages = true;
            if (const std::size_t end = base.rfind("/binary-"); end != std::string::npos)
                components.insert(base.substr(0, end));
            if (!index.architecture.empty() && index.architecture != "all")
                architectures_.insert(index.architecture);
        }
        if (has_packages)
            sources_.push_back({kAnyUri, suite, {components.begin(), components.end()}});
    }

    Result<void> look(const std::string& architecture, const std::vector<std::string>& packages)
    {
        stock::Subject subject;
        subject.machine.architecture = architecture;
        subject.machine.settings["APT::Install-Recommends"] = has_recommends_ ? "true" : "false";
        subject.sources = sources_;
        subject.packages = packages;
        const std::string& archive = request_.parts.front().archive;
        const stock::Lookup lookup{
            shelves_.spawner, shelves_.blobs, shelves_.marks,
            [&](const std::string&) { return stock::NamedView{archive, view_}; }};
        TRY(const stock::SubjectStock found, stock::look_at(lookup, subject));
        if (!request_.files)
            request_.files.emplace();
        for (const stock::Needed& file : found.needs)
            request_.files->push_back({file.archive, file.suite, file.path});
        for (const auto& asked : found.asked) {
            if (asked.why_not.empty())
                known_.insert(asked.package);
            else
                refused_[asked.package] = asked.why_not;
            if (has_itself(found, asked))
                brought_.insert(asked.package);
        }
        for (const std::string& index : found.unread)
            unread_.insert(index + " is not held");
        return {};
    }

    // What it needs may be missing. A name that others provide has no file of its own.
    static bool has_itself(const stock::SubjectStock& found,
                           const stock::SubjectStock::Asked& asked)
    {
        const std::string name = asked.package.substr(0, asked.package.find_first_of(":=/"));
        for (const std::size_t number : asked.needs)
            if (found.needs[number].package == name)
                return found.needs[number].is_held;
        return asked.installs(found);
    }

    const Shelves& shelves_;
    const bool has_recommends_;
    bundle::Request& request_;
    std::shared_ptr<const catalog::ArchiveView> view_;
    std::vector<stock::Source> sources_;
    std::set<std::string> architectures_, known_, brought_, unread_;
    std::map<std::string, std::string> refused_;  // why apt would not install it, by package
};

}  // namespace

Result<bundle::Request> wishes_of_machines(const node::Config& config,
                                           const std::vector<std::string>& machines,
                                           const std::vector<std::string>& lists)
{
    const Json query = {{"machines", machines}, {"lists", lists}, {"files", true}};
    TRY(const AdminAnswer answer,
        ask_admin(config.admin, "POST", "/api/v1/stock",
                  query.dump(-1, ' ', false, Json::error_handler_t::replace), kPatience));
    if (answer.status != 200)
        return fail(answer.status == 404 ? Errc::not_found : Errc::unavailable, answer.sentence());
    try {
        return read_looks(Json::parse(answer.body));
    } catch (const Json::exception&) {
        return fail(Errc::unavailable, "the node's answer is none that this aptward understands");
    }
}

Result<void> add_wishes(const Shelves& shelves, const std::vector<std::string>& packages,
                        bool has_recommends, bundle::Request& request)
{
    return Wishes(shelves, has_recommends, request).add(packages);
}

}  // namespace aptward::cli
