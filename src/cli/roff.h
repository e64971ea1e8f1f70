// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Writes a manual page in the man(7) macros. Private to cli/.

#include <string>
#include <string_view>

namespace aptward::cli {

/// Text as roff shows it literally: backslashes, hyphens, and dots that would start a request.
std::string roff_escaped(std::string_view text);

/// "\fB...\fP" and "\fI...\fP" around escaped text.
std::string bold(std::string_view text);
std::string italic(std::string_view text);

/// One page, from the top downwards. Pure.
class RoffPage {
public:
    /// `date`: "2026-11-24".
    RoffPage(const std::string& title, int section, const std::string& date,
             const std::string& source);

    void heading(std::string_view title);
    void subheading(std::string_view title);

    /// Plain words: paragraphs between empty lines; lines that start with four blanks are shown as
    /// they are.
    void prose(std::string_view text);

    /// A line of roff that is escaped already.
    void line(const std::string& roff);

    /// A hanging paragraph: `tag` is escaped already, `text` plain.
    void item(const std::string& tag, std::string_view text);

    const std::string& text() const { return text_; }

private:
    void paragraph();

    std::string text_;
    bool is_fresh_ = true;  ///< Just below a heading or an item's tag, where .PP is empty.
    bool is_item_ = false;  ///< In an item, whose paragraphs stay below its tag.
};

}  // namespace aptward::cli
