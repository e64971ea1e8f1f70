// SPDX-License-Identifier: GPL-3.0-or-later
// The only file that includes spdlog (3 to 8 s of compile time).
#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace aptward {
namespace {

struct LogSettings {
    LogFormat format = LogFormat::text;
    std::shared_ptr<spdlog::logger> logger;
};

LogSettings& settings()
{
    static LogSettings instance = [] {
        LogSettings made;
        made.logger = spdlog::stderr_logger_mt("aptward");
        made.logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
        made.logger->set_level(spdlog::level::info);
        return made;
    }();
    return instance;
}

spdlog::level::level_enum level_of(LogLevel level)
{
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warning:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

// One quoting for both formats: JSON's, so that no hostile byte starts a new line.
std::string quoted(std::string_view text)
{
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            result += '\\';
            result += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            result += c;
        }
    }
    return result + '"';
}

bool is_plain(std::string_view text)
{
    for (const char c : text)
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    return !text.empty();
}

}  // namespace

void configure_log(LogLevel lowest, LogFormat format)
{
    settings().logger->set_level(level_of(lowest));
    settings().format = format;
    if (format == LogFormat::json)
        settings().logger->set_pattern("{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}",
                                       spdlog::pattern_time_type::utc);
}

void log_line(LogLevel level, std::string_view code, LogFields fields, std::string_view message)
{
    const spdlog::level::level_enum spdlog_level = level_of(level);
    if (!settings().logger->should_log(spdlog_level))
        return;
    const auto name = spdlog::level::to_string_view(spdlog_level);
    std::string line;
    if (settings().format == LogFormat::json) {
        line =
            fmt::format("\"level\":\"{}\",\"code\":{},\"message\":{}",
                        std::string_view(name.data(), name.size()), quoted(code), quoted(message));
        for (const LogField& field : fields)
            line += fmt::format(",{}:{}", quoted(field.name), quoted(field.value));
    } else {
        line = fmt::format(
            "{} {}: {}", std::string_view(name.data(), name.size()), code,
            is_plain(message) ? std::string(message) : [&] {
                const std::string safe = quoted(message);
                return safe.substr(1, safe.size() - 2);
            }());
        for (const LogField& field : fields)
            line += fmt::format(" {}={}", field.name,
                                is_plain(field.value) ? field.value : quoted(field.value));
    }
    settings().logger->log(spdlog_level, "{}", line);
}

}  // namespace aptward
