// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Reading one TOML table by the table of keys. Private to node/; the only file that includes
// toml++.

#include <toml++/toml.h>
#include <chrono>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "node/config.h"

namespace aptward::node {

/// Reads one table's keys, collecting mistakes.
class Reader {
public:
    /// `section` is "" or a name of config_keys(); keys that are not there are mistakes at once.
    Reader(const toml::table& table, std::string section, std::string file,
           std::vector<Mistake>& mistakes);

    void mistake(const std::string& key, const std::string& message);
    bool has(const char* key) const { return table_.get(key) != nullptr; }

    // Each leaves `to` as it is when the key is absent or wrong.
    void read(const char* key, std::string& to);
    void read(const char* key, std::vector<std::string>& to);
    void read(const char* key, unsigned& to, unsigned least, unsigned most);
    void read(const char* key, bool& to);
    void read(const char* key, std::chrono::seconds& to);
    /// "200G", "20M" or "500k", in bytes.
    void read_size(const char* key, std::uint64_t& to);

    template <class Enum>
    void read(const char* key, Enum& to,
              std::initializer_list<std::pair<const char*, Enum>> choices)
    {
        std::string text;
        read(key, text);
        if (text.empty())
            return;
        std::string accepted;
        for (const auto& [name, value] : choices) {
            if (text == name) {
                to = value;
                return;
            }
            accepted += (accepted.empty() ? "" : ", ") + std::string(name);
        }
        mistake(key, "\"" + text + "\" is not accepted; accepted are: " + accepted);
    }

private:
    std::string known_names() const;

    const toml::table& table_;
    std::string section_, file_;
    std::vector<Mistake>& mistakes_;
};

}  // namespace aptward::node
