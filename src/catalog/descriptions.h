// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// release.json and refused.json: what is known of a stored release beside its bytes. Private to
// catalog/. Pure.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "catalog/refused.h"

namespace aptward::catalog {

// Each parse_ gives no id and no files, and fails with malformed; what is not there is empty.

std::string to_json(const Releases::Stored& release);
Result<Releases::Stored> parse_stored(std::string_view json);

std::string to_json(const Refused::Entry& entry);
Result<Refused::Entry> parse_refused(std::string_view json);

/// A time of a JSON object; 1970 when it is not there. Throws the library's exception for what is
/// no whole number: its own value() would turn "1e300" into anything.
inline SystemTime time_in(const nlohmann::json& object, const char* key)
{
    const auto found = object.find(key);
    return from_unix(
        found == object.end() ? 0 : found->get_ref<const nlohmann::json::number_integer_t&>());
}

/// What `fill` takes from the object that `json` is. Fails with malformed for anything else, also
/// when a value has another type than `fill` wants.
template <class Description, class Fill>
Result<Description> parse_description(std::string_view json, const Fill& fill)
{
    const auto object = nlohmann::json::parse(json, nullptr, false);
    if (!object.is_object())
        return fail(Errc::malformed, "it is damaged");
    try {
        Description description;
        fill(object, description);
        return description;
    } catch (const nlohmann::json::exception&) {
        return fail(Errc::malformed, "it is damaged");
    }
}

}  // namespace aptward::catalog
