// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// From the journal's entries to what was decided, and back. Pure; private to catalog/.
// docs/formats/store.md

#include <nlohmann/json.hpp>

#include "catalog/state.h"

namespace aptward::catalog {

nlohmann::json to_json(const trust::Floor& floor);
nlohmann::json to_json(const SuiteState& state);

/// One entry of the journal. Unknown kinds are of a newer version: ignored. Throws what reading a
/// known kind in another form throws.
void apply_entry(Replayed& decided, const nlohmann::json& entry);

}  // namespace aptward::catalog
