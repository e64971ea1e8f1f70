// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Structured log lines on standard error: one event each, with a stable code and key=value
// fields, so that people and machines read the same line. Any thread.
//
//   log_warning("release.rollback", {{"archive", id}, {"source", url}}, "older than the one held");

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace aptward {

enum class LogLevel { debug, info, warning, error };
enum class LogFormat { text, json };

struct LogField {
    std::string_view name;
    std::string value;
};
using LogFields = std::initializer_list<LogField>;

/// Before the first line; not thread-safe. Lines below `lowest` are dropped.
void configure_log(LogLevel lowest, LogFormat format);

void log_line(LogLevel level, std::string_view code, LogFields fields, std::string_view message);

inline void log_debug(std::string_view code, LogFields fields, std::string_view message)
{
    log_line(LogLevel::debug, code, fields, message);
}
inline void log_info(std::string_view code, LogFields fields, std::string_view message)
{
    log_line(LogLevel::info, code, fields, message);
}
inline void log_warning(std::string_view code, LogFields fields, std::string_view message)
{
    log_line(LogLevel::warning, code, fields, message);
}
inline void log_error(std::string_view code, LogFields fields, std::string_view message)
{
    log_line(LogLevel::error, code, fields, message);
}

}  // namespace aptward
