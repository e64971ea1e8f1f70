// SPDX-License-Identifier: GPL-3.0-or-later
// What the records of an index say of a package beside its file (Debian policy 5.3, 7.1). Names are
// chosen by it, nothing is trusted for it: what cannot be read is left out.
#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "deb/deb.h"
#include "deb/line.h"

namespace aptward::deb {
namespace {

using Member = std::string_view PackageFields::*;

constexpr std::array<std::pair<std::string_view, Member>, 9> kMembers = {
    {{"Package", &PackageFields::package},
     {"Version", &PackageFields::version},
     {"Architecture", &PackageFields::architecture},
     {"Source", &PackageFields::source},
     {"Section", &PackageFields::section},
     {"Pre-Depends", &PackageFields::pre_depends},
     {"Depends", &PackageFields::depends},
     {"Recommends", &PackageFields::recommends},
     {"Provides", &PackageFields::provides}}};

Member member_named(std::string_view name)
{
    for (const auto& [known, member] : kMembers)
        if (equals_ignoring_case(name, known))
            return member;
    return nullptr;
}

// Policy 5.6.1, and capitals, which some archives have.
bool is_in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
}

// "foo:any (>= 1.2) [amd64]" -> "foo"
std::string_view name_of(std::string_view alternative)
{
    constexpr std::string_view kBlanks = " \t\r\n";
    alternative.remove_prefix(std::min(alternative.find_first_not_of(kBlanks), alternative.size()));
    const auto end = std::find_if_not(alternative.begin(), alternative.end(), is_in_name);
    return alternative.substr(0, static_cast<std::size_t>(end - alternative.begin()));
}

// Cuts the next part off the front of `rest`, up to `separator`.
std::string_view next_part(std::string_view& rest, char separator)
{
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
}

}  // namespace

PackageFields read_package_fields(std::string_view record)
{
    PackageFields fields;
    Member member = nullptr;
    while (!record.empty()) {
        const std::string_view line = next_line(record);
        if (line.empty())
            continue;
        if (is_blank(line.front())) {  // goes on: the view grows over the newline
            if (member != nullptr && !(fields.*member).empty()) {
                const char* const begin = (fields.*member).data();
                fields.*
                    member = {begin, static_cast<std::size_t>(line.data() + line.size() - begin)};
            }
            continue;
        }
        const std::size_t colon = line.find(':');
        member = colon == line.npos ? nullptr : member_named(trim_line(line.substr(0, colon)));
        if (member != nullptr)
            fields.*member = trim_line(line.substr(colon + 1));
    }
    return fields;
}

std::vector<std::vector<std::string_view>> parse_relations(std::string_view field)
{
    std::vector<std::vector<std::string_view>> relations;
    while (!field.empty()) {
        std::string_view relation = next_part(field, ',');
        std::vector<std::string_view> names;
        while (!relation.empty()) {
            const std::string_view name = name_of(next_part(relation, '|'));
            if (!name.empty())
                names.push_back(name);
        }
        if (!names.empty())
            relations.push_back(std::move(names));
    }
    return relations;
}

}  // namespace aptward::deb
