// SPDX-License-Identifier: GPL-3.0-or-later
// Unified diffs of what setup would do. Its changes keep the number of lines or replace one block,
// so lines are paired by their numbers, or by a common beginning and end; no search is needed.
#include <fmt/format.h>

#include <algorithm>

#include "cli/client_parts.h"

namespace aptward::cli {
namespace {

constexpr std::size_t kAround = 3;  // lines shown around a change, as diff -u does

struct Step {
    char kind = ' ';
    std::string_view line;  // with its newline
};

std::vector<std::string_view> lines_of(std::string_view text)
{
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::size_t size = end == std::string_view::npos ? text.size() : end + 1;
        lines.push_back(text.substr(0, size));
        text.remove_prefix(size);
    }
    return lines;
}

std::vector<Step> steps_between(std::string_view before, std::string_view after)
{
    const auto old_lines = lines_of(before), new_lines = lines_of(after);
    const bool is_paired = old_lines.size() == new_lines.size();
    const std::size_t shorter = std::min(old_lines.size(), new_lines.size());
    std::size_t head = 0, tail = 0;
    while (head < shorter && old_lines[head] == new_lines[head])
        ++head;
    while (tail < shorter - head &&
           old_lines[old_lines.size() - 1 - tail] == new_lines[new_lines.size() - 1 - tail])
        ++tail;
    std::vector<Step> steps, added;
    const auto flush = [&] {
        steps.insert(steps.end(), added.begin(), added.end());
        added.clear();
    };
    for (std::size_t i = 0; i < old_lines.size(); ++i) {
        const bool is_kept =
            i < head || i >= old_lines.size() - tail || (is_paired && old_lines[i] == new_lines[i]);
        if (is_kept) {
            if (i == old_lines.size() - tail && !is_paired)
                for (std::size_t k = head; k < new_lines.size() - tail; ++k)
                    added.push_back({'+', new_lines[k]});
            flush();
            steps.push_back({' ', old_lines[i]});
        } else {
            steps.push_back({'-', old_lines[i]});
            if (is_paired)
                added.push_back({'+', new_lines[i]});
        }
    }
    if (!is_paired && tail == 0)
        for (std::size_t k = head; k < new_lines.size(); ++k)
            added.push_back({'+', new_lines[k]});
    flush();
    return steps;
}

std::string span(std::size_t first, std::size_t count)
{
    return count == 1 ? fmt::format("{}", first)
                      : fmt::format("{},{}", count == 0 ? first - 1 : first, count);
}

}  // namespace

std::string unified_diff(const std::string& name, std::string_view before, std::string_view after)
{
    const std::vector<Step> steps = steps_between(before, after);
    std::string text;
    std::size_t old_line = 1, new_line = 1;
    for (std::size_t i = 0; i < steps.size();) {
        // The next change within reach starts a hunk; it ends where nothing changes for long.
        std::size_t change = i;
        while (change < steps.size() && steps[change].kind == ' ')
            ++change;
        if (change == steps.size())
            break;
        const std::size_t first = change - std::min(change - i, kAround);
        old_line += first - i;
        new_line += first - i;
        std::size_t last = change;
        for (std::size_t k = change; k < steps.size() && k <= last + 2 * kAround; ++k)
            if (steps[k].kind != ' ')
                last = k;
        const std::size_t end = std::min(last + 1 + kAround, steps.size());
        std::string body;
        std::size_t removed = 0, added = 0;
        for (std::size_t k = first; k < end; ++k) {
            removed += steps[k].kind != '+' ? 1U : 0U;
            added += steps[k].kind != '-' ? 1U : 0U;
            body.append(1, steps[k].kind).append(steps[k].line);
            if (steps[k].line.back() != '\n')
                body += "\n\\ No newline at end of file\n";
        }
        text += fmt::format("@@ -{} +{} @@\n", span(old_line, removed), span(new_line, added));
        text += body;
        old_line += removed;
        new_line += added;
        i = end;
    }
    if (text.empty())
        return text;
    return fmt::format("--- {}\n+++ {}\n", before.empty() ? "/dev/null" : name, name) + text;
}

}  // namespace aptward::cli
