// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What an operator orders for one archive: a JSON object with its id, and the answer in a sentence.
// Private to console/.

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "archive/front.h"
#include "http/server.h"

namespace aptward::console {

inline constexpr std::size_t kMaxRequestBytes = 64 * 1024;

struct Order {
    nlohmann::json request;
    std::shared_ptr<archive::Archive> archive;  ///< Null: there is no order; that was answered.
    std::string who;

    /// Empty when it is not there or no text.
    std::string text(const char* key) const;
};

/// Reads an order that concerns no archive from a request's body. Nothing: there is none, or it is
/// not taken because `is_reloading`; that was answered.
http::Async<std::optional<Order>> read_plain_order(http::Exchange& exchange, bool is_reloading);

/// The same of one that concerns an archive.
http::Async<Order> read_order(http::Exchange& exchange, archive::Front& front, bool is_reloading);

/// 200 with the sentence, or 409 with why not.
http::Async<void> send_outcome(http::Exchange& exchange, Result<std::string> sentence);

}  // namespace aptward::console
