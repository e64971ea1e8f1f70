// SPDX-License-Identifier: GPL-3.0-or-later
// Spec: groff_man(7), which mandoc(1) reads too: only TH, SH, SS, PP, TP, EX and EE.
#include "cli/roff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/lines.h"

namespace aptward::cli {

std::string roff_escaped(std::string_view text)
{
    std::string escaped;
    for (const char c : text) {
        const bool starts_word = escaped.empty() || escaped.back() == ' ' || escaped.back() == '\n';
        if (c == '.' && starts_word)
            escaped += "\\&";  // At the start of a line it would be a request.
        if (starts_word && (c == '/' || c == '"' || c == '['))
            escaped += "\\%";  // Paths and values are not hyphenated.
        if (c == '\\')
            escaped += "\\e";
        else if (c == '-')
            escaped += "\\-";  // So that an option can be searched and copied.
        else if (c == '\'')
            escaped += "\\(aq";
        else if (c == '`')
            escaped += "\\(ga";
        else if (c == '^')
            escaped += "\\(ha";
        else if (c == '~')
            escaped += "\\(ti";
        else
            escaped += c;
    }
    return escaped;
}

std::string bold(std::string_view text)
{
    return "\\fB" + roff_escaped(text) + "\\fP";
}

std::string italic(std::string_view text)
{
    return "\\fI" + roff_escaped(text) + "\\fP";
}

namespace {

std::string to_upper(std::string text)
{
    for (char& c : text)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

}  // namespace

RoffPage::RoffPage(const std::string& title, int section, const std::string& date,
                   const std::string& source)
    : text_(fmt::format(".\\\" Made by `aptward manual`; edit the program, not this page.\n"
                        ".TH {} {} {} \"{}\" \"Aptward\"\n.ad l\n",
                        roff_escaped(to_upper(title)), section, date, roff_escaped(source)))
{
}

void RoffPage::heading(std::string_view title)
{
    text_ += fmt::format(".SH {}\n", roff_escaped(title));
    is_fresh_ = true;
}

void RoffPage::subheading(std::string_view title)
{
    text_ += fmt::format(".SS {}\n", roff_escaped(title));
    is_fresh_ = true;
}

void RoffPage::paragraph()
{
    if (!is_fresh_)
        text_ += is_item_ ? ".IP\n" : ".PP\n";
    is_fresh_ = false;
}

void RoffPage::prose(std::string_view text)
{
    bool is_literal = false, is_between = true;
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        const bool is_example = line.substr(0, 4) == "    ";
        if (is_literal && !is_example) {
            text_ += ".EE\n";
            is_literal = false;
            is_between = true;
        }
        if (line.empty()) {
            is_between = true;
            continue;
        }
        if (is_example && !is_literal) {
            paragraph();
            text_ += ".EX\n";
            is_literal = true;
        } else if (is_between && !is_example) {
            paragraph();
        }
        is_between = false;
        // In an example the blanks stay; a leading dot is then no request.
        text_ += roff_escaped(line) + "\n";
    }
    if (is_literal)
        text_ += ".EE\n";
}

void RoffPage::line(const std::string& roff)
{
    paragraph();
    text_ += roff + "\n";
}

void RoffPage::item(const std::string& tag, std::string_view text)
{
    text_ += ".TP\n" + tag + "\n";
    is_fresh_ = true;
    is_item_ = true;
    prose(text);
    is_item_ = false;
    is_fresh_ = false;
}

}  // namespace aptward::cli
