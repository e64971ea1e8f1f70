// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// apt's library asked about one machine. Private to solve/: it is for the confined child only,
// because the library's configuration is global and machines' files are hostile.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "solve/solve.h"

namespace aptward::solve {

/// What the child is told beside the files of its folder.
struct Setting {
    std::vector<std::string> architectures;  ///< The native one first.
    std::map<std::string, std::string> settings;
    /// By the name of a list file in the folder, the number of its suite.
    std::map<std::string, std::size_t> lists;
    std::vector<Question> questions;
};

/// Below the folder: apt's own names of what is there.
inline constexpr const char* kStatusFile = "status";
inline constexpr const char* kExtendedStatesFile = "extended_states";
inline constexpr const char* kPreferencesFolder = "preferences.d";
inline constexpr const char* kSourcesFile = "sources.list";
inline constexpr const char* kListsFolder = "lists";
inline constexpr const char* kRequestFile = "request.json";

/// Fails with malformed, in apt's own words.
Result<Solution> ask_apt(const std::filesystem::path& folder, const Setting& setting);

// The forms in which parent and child write to each other; inverses. Each parse_ fails with
// malformed. Pure.
std::string to_json(const Setting& setting);
Result<Setting> parse_setting(std::string_view json);
std::string to_json(const Solution& solution);
Result<Solution> parse_solution(std::string_view json);

}  // namespace aptward::solve
