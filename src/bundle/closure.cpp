// SPDX-License-Identifier: GPL-3.0-or-later
#include "bundle/closure.h"

#include <algorithm>

namespace aptward::bundle {

Result<void> Closure::add(std::string text, std::size_t origin)
{
    texts_.push_back(std::move(text));
    return deb::scan_packages(texts_.back(), [&](const deb::PoolFile& file) {
        const deb::PackageFields fields = deb::read_package_fields(file.record);
        const Candidate candidate{fields, file.path, origin};
        const auto [known, is_new] = packages_.try_emplace(fields.package, candidate);
        if (!is_new && deb::compare_versions(fields.version, known->second.fields.version) > 0)
            known->second = candidate;
        for (const auto& group : deb::parse_relations(fields.provides)) {
            const auto [provider, is_first] = provided_.try_emplace(group.front(), fields.package);
            if (!is_first)
                provider->second = std::min(provider->second, fields.package);
        }
    });
}

const Closure::Candidate* Closure::find(std::string_view name) const
{
    auto found = packages_.find(name);
    if (found == packages_.end())
        if (const auto provider = provided_.find(name); provider != provided_.end())
            found = packages_.find(provider->second);
    return found == packages_.end() ? nullptr : &found->second;
}

Closure::Outcome Closure::resolve(const std::vector<std::string>& names) const
{
    Outcome outcome;
    std::map<std::string_view, const Candidate*> chosen;
    std::deque<const Candidate*> open;
    const auto choose = [&](const Candidate* candidate) {
        if (candidate != nullptr && chosen.emplace(candidate->fields.package, candidate).second)
            open.push_back(candidate);
        return candidate != nullptr;
    };
    for (const std::string& name : names)
        if (!choose(find(name)))
            outcome.unknown.insert(name);
    while (!open.empty()) {
        const deb::PackageFields fields = open.front()->fields;
        open.pop_front();
        for (const std::string_view field : {fields.pre_depends, fields.depends})
            for (const auto& group : deb::parse_relations(field)) {
                const bool is_met =
                    std::any_of(group.begin(), group.end(),
                                [&](std::string_view name) { return choose(find(name)); });
                if (!is_met)
                    outcome.unmet.emplace(fields.package, group.front());
            }
    }
    for (const auto& [name, candidate] : chosen)
        outcome.chosen.push_back({name, candidate->path, candidate->origin});
    return outcome;
}

}  // namespace aptward::bundle
