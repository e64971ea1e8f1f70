// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace aptward::archive {
namespace {

using deb::IndexKind;

constexpr std::size_t kMostNamed = 5;  // in one message

bool has(const std::vector<std::string>& list, std::string_view text)
{
    return std::find(list.begin(), list.end(), text) != list.end();
}

// The folder in front of what says the kind: "main/debian-installer" is a component of its own.
std::string component_of(const deb::IndexName& index)
{
    for (const char* mark : {"/binary-", "/source/", "/i18n/"})
        if (const std::size_t at = index.base.find(mark); at != std::string::npos)
            return index.base.substr(0, at);
    return index.component;
}

// "updates/main" is listed as "main" as well (V31).
bool is_same_component(const std::string& a, const std::string& b)
{
    return a == b || a.ends_with("/" + b) || b.ends_with("/" + a);
}

// The architecture at the end of "dep11/Components-amd64.yml"; empty where it is for all.
std::string_view architecture_at_end(std::string_view base,
                                     const std::vector<std::string>& architectures)
{
    base.remove_prefix(base.rfind('/') + 1);
    base = base.substr(0, base.find('.'));
    for (const std::string& architecture : architectures)
        if (base.ends_with("-" + architecture))
            return architecture;
    return {};
}

std::string list_of(const std::set<std::string>& names)
{
    return fmt::format("{}", fmt::join(names, ", "));
}

/// Answers for each index of a release whether it is meant.
class IndexChooser {
public:
    IndexChooser(const deb::Release& release, const std::string& suite, const Selection& selection,
                 const std::vector<KnownSuite>& known)
        : release_(release),
          suite_(suite),
          selection_(selection),
          components_(selection.components),
          architectures_(selection.architectures)
    {
        for (const KnownSuite& one : known) {
            if (one.suite != suite)
                continue;
            if (selection.components.empty())
                components_.insert(components_.end(), one.components.begin(), one.components.end());
            if (selection.architectures.empty())
                architectures_.insert(architectures_.end(), one.architectures.begin(),
                                      one.architectures.end());
        }
        const auto& published = release.architectures;
        takes_all_ = has(published, "all") && !release.packages_without_all;
    }

    bool is_flat() const { return !suite_.empty() && suite_.back() == '/'; }

    Result<void> check() const
    {
        if (is_flat()) {
            if (selection_.components.empty() && selection_.architectures.empty())
                return {};
            return fail(Errc::not_found,
                        fmt::format("{} is a flat repository, without components and "
                                    "architectures: leave those options out",
                                    suite_));
        }
        std::set<std::string> components, architectures;
        for (const auto& [path, file] : release_.files) {
            const deb::IndexName index = deb::classify_index(path);
            if (index.kind != IndexKind::packages)
                continue;
            components.insert(component_of(index));
            architectures.insert(index.architecture);
        }
        for (const std::string& wanted : selection_.components)
            if (std::none_of(components.begin(), components.end(), [&](const std::string& there) {
                    return is_same_component(there, wanted);
                }))
                return fail(Errc::not_found,
                            fmt::format("{} has no component \"{}\"; it has: {}", suite_,
                                        printable(wanted), list_of(components)));
        for (const std::string& wanted : selection_.architectures)
            if (architectures.count(wanted) == 0)
                return fail(Errc::not_found,
                            fmt::format("{} has no architecture \"{}\"; it has: {}", suite_,
                                        printable(wanted), list_of(architectures)));
        return {};
    }

    bool means(const deb::IndexName& index) const
    {
        switch (index.kind) {
            case IndexKind::pdiff:
            case IndexKind::installer:
                return false;
            case IndexKind::packages:
                return is_flat() || (has_component(index) && has_packages_of(index.architecture));
            case IndexKind::sources:
                return selection_.has_sources && (is_flat() || has_component(index));
            case IndexKind::contents:
                return selection_.has_contents && has_component(index) &&
                       has_packages_of(index.architecture);
            case IndexKind::translation:
                return has_component(index);
            case IndexKind::other:
                break;
        }
        if (index.component.empty() || !has_component(index))
            return false;
        std::string_view architecture = index.architecture;
        if (architecture.empty())
            architecture = architecture_at_end(index.base, release_.architectures);
        return architecture == "source" ? selection_.has_sources
                                        : architecture.empty() || has_packages_of(architecture);
    }

    bool names(const deb::IndexName& index) const
    {
        const bool is_tabled =
            index.kind == IndexKind::packages || index.kind == IndexKind::sources;
        return is_tabled && (is_flat() || (!components_.empty() && !architectures_.empty() &&
                                           index.architecture != "all"));
    }

private:
    bool has_component(const deb::IndexName& index) const
    {
        const std::string component = component_of(index);
        const auto& wanted = components_.empty() ? release_.components : components_;
        // A component whose udebs are not meant ends like one that is.
        if (component.ends_with("/debian-installer"))
            return has(wanted, component);
        return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& one) {
            return is_same_component(one, component);
        });
    }

    bool has_packages_of(std::string_view architecture) const
    {
        if (architecture == "all")
            return takes_all_ || has(architectures_, "all");
        return architectures_.empty() || has(architectures_, architecture);
    }

    const deb::Release& release_;
    const std::string& suite_;
    const Selection& selection_;
    std::vector<std::string> components_, architectures_;
    bool takes_all_ = false;
};

// "contrib/net" is a section "net" as well.
bool is_in_section(std::string_view section, const std::string& wanted)
{
    return section == wanted || section.substr(section.rfind('/') + 1) == wanted;
}

std::string_view source_of(const deb::PackageFields& fields)
{
    return fields.source.empty() ? fields.package
                                 : fields.source.substr(0, fields.source.find_first_of(" \t("));
}

Result<void> refuse_unknown(const char* what, const std::vector<std::string>& unknown)
{
    if (unknown.empty())
        return {};
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min(unknown.size(), kMostNamed); ++i)
        shown.push_back("\"" + printable(unknown[i]) + "\"");
    return fail(Errc::not_found,
                fmt::format("no index that is wanted names the {} {}{}; correct the name, or widen "
                            "the suites, components and architectures",
                            what, fmt::join(shown, ", "),
                            unknown.size() > shown.size()
                                ? fmt::format(" and {} more", unknown.size() - shown.size())
                                : ""));
}

}  // namespace

Result<std::vector<ChosenIndex>> choose_indexes(const deb::Release& release,
                                                const std::string& suite,
                                                const Selection& selection,
                                                const std::vector<KnownSuite>& known)
{
    const IndexChooser chooser(release, suite, selection, known);
    TRY_VOID(chooser.check());
    std::map<std::string, ChosenIndex> chosen;
    for (const auto& [path, file] : release.files) {
        const deb::IndexName index = deb::classify_index(path);
        if (chosen.count(index.base) == 0 && chooser.means(index))
            chosen[index.base] = {index.base, index.kind, chooser.names(index)};
    }
    std::vector<ChosenIndex> indexes;
    for (auto& [base, index] : chosen)
        indexes.push_back(std::move(index));
    return indexes;
}

Result<void> FileChooser::add(std::size_t suite, IndexKind kind, std::string text)
{
    const bool takes_all = selection_.packages.empty() && selection_.sections.empty();
    if (!takes_all)
        texts_.push_back(std::move(text));
    const std::string_view view = takes_all ? text : texts_.back();
    const char* last = nullptr;
    const auto visit = [&](const deb::PoolFile& file) {
        ChosenFile chosen{suite, std::string(file.path), file.digest};
        if (takes_all) {
            files_.push_back(std::move(chosen));
            return;
        }
        // A source has several files in one record.
        if (std::exchange(last, file.record.data()) != file.record.data())
            records_.push_back({suite,
                                deb::read_package_fields(file.record),
                                {},
                                kind == IndexKind::sources,
                                false});
        records_.back().files.push_back(std::move(chosen));
    };
    return kind == IndexKind::sources ? deb::scan_sources(view, visit)
                                      : deb::scan_packages(view, visit);
}

Result<std::vector<ChosenFile>> FileChooser::choose() &&
{
    TRY_VOID(check_sections());
    choose_sections();
    choose_packages();
    TRY_VOID(check_packages());
    choose_sources();
    for (Record& record : records_)
        if (record.is_chosen)
            std::move(record.files.begin(), record.files.end(), std::back_inserter(files_));
    const auto place_of = [](const ChosenFile& file) { return std::tie(file.suite, file.path); };
    const auto is_before = [&](const ChosenFile& a, const ChosenFile& b) {
        return place_of(a) < place_of(b);
    };
    const auto is_same = [&](const ChosenFile& a, const ChosenFile& b) {
        return place_of(a) == place_of(b);
    };
    std::sort(files_.begin(), files_.end(), is_before);
    files_.erase(std::unique(files_.begin(), files_.end(), is_same), files_.end());
    return std::move(files_);
}

Result<void> FileChooser::check_sections() const
{
    std::vector<std::string> unknown;
    for (const std::string& wanted : selection_.sections)
        if (std::none_of(records_.begin(), records_.end(), [&](const Record& record) {
                return is_in_section(record.fields.section, wanted);
            }))
            unknown.push_back(wanted);
    return refuse_unknown("section", unknown);
}

Result<void> FileChooser::check_packages() const
{
    std::vector<std::string> unknown;
    for (const std::string& wanted : selection_.packages)
        if (called_.count(wanted) == 0)
            unknown.push_back(wanted);
    return refuse_unknown("package", unknown);
}

void FileChooser::choose_sections()
{
    for (Record& record : records_)
        record.is_chosen = !record.is_source &&
                           std::any_of(selection_.sections.begin(), selection_.sections.end(),
                                       [&](const std::string& wanted) {
                                           return is_in_section(record.fields.section, wanted);
                                       });
}

// What satisfies each relation. apt takes a package that is called as an alternative before one
// that provides it; which of several it takes depends on the client: so it gets all of the kind
// that it looks at. Versions are not compared: what is listed under a name comes whole.
void FileChooser::need(std::string_view field, Names& needed)
{
    for (const auto& relation : deb::parse_relations(field)) {
        const std::size_t before = needed.size();
        for (const std::string_view name : relation)
            if (called_.count(name) > 0)
                needed.push_back(name);
        if (needed.size() > before)
            continue;
        for (const std::string_view name : relation)
            if (const auto providers = provided_.find(name); providers != provided_.end())
                for (const std::size_t provider : providers->second)
                    needed.push_back(records_[provider].fields.package);
    }
}

void FileChooser::choose_packages()
{
    for (std::size_t i = 0; i < records_.size(); ++i) {
        if (records_[i].is_source)
            continue;
        called_[records_[i].fields.package].push_back(i);
        for (const auto& relation : deb::parse_relations(records_[i].fields.provides))
            for (const std::string_view name : relation)
                provided_[name].push_back(i);
    }
    Names needed(selection_.packages.begin(), selection_.packages.end());
    std::set<std::string_view> seen;
    while (!needed.empty()) {
        const std::string_view name = needed.back();
        needed.pop_back();
        const auto called = called_.find(name);
        if (called == called_.end() || !seen.insert(name).second)
            continue;
        for (const std::size_t i : called->second) {
            Record& record = records_[i];
            record.is_chosen = true;
            need(record.fields.pre_depends, needed);
            need(record.fields.depends, needed);
            if (selection_.has_recommends)
                need(record.fields.recommends, needed);
        }
    }
}

// Of the packages that were chosen.
void FileChooser::choose_sources()
{
    std::set<std::string_view> sources;
    for (const Record& record : records_)
        if (!record.is_source && record.is_chosen)
            sources.insert(source_of(record.fields));
    for (Record& record : records_)
        if (record.is_source)
            record.is_chosen = sources.count(record.fields.package) > 0;
}

}  // namespace aptward::archive
