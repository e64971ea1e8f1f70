// SPDX-License-Identifier: GPL-3.0-or-later
// What is read from a record lies in it; names in relations are names, and read again are the same.
#include <cstdint>

#include "base/check.h"
#include "deb/deb.h"

using namespace aptward;

namespace {

void check_relations(std::string_view field)
{
    for (const auto& relation : deb::parse_relations(field)) {
        CHECK(!relation.empty(), "a relation has a name");
        for (const std::string_view name : relation) {
            CHECK(!name.empty(), "a name is not empty");
            CHECK(name.data() >= field.data() &&
                      name.data() + name.size() <= field.data() + field.size(),
                  "a name lies in the field");
            CHECK(deb::parse_relations(name) == std::vector<std::vector<std::string_view>>{{name}},
                  "a name alone is itself");
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view record(reinterpret_cast<const char*>(bytes), size);
    const deb::PackageFields fields = deb::read_package_fields(record);
    for (const std::string_view value :
         {fields.package, fields.source, fields.section, fields.pre_depends, fields.depends,
          fields.recommends, fields.provides}) {
        CHECK(value.empty() || (value.data() >= record.data() &&
                                value.data() + value.size() <= record.data() + record.size()),
              "a value lies in the record");
        check_relations(value);
    }
    check_relations(record);
    return 0;
}
