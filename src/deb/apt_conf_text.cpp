// SPDX-License-Identifier: GPL-3.0-or-later
#include "deb/apt_conf_text.h"

#include "base/text.h"

namespace aptward::deb {
namespace {

constexpr std::size_t kMostScopes = 64;

// NAME "VALUE"; NAME { ... }; with //, # and /* */ comments.
class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) {}

    std::vector<AptSetting> read()
    {
        while (skip_blanks())
            step();
        return std::move(settings_);
    }

private:
    bool at(std::string_view what) const { return text_.substr(at_, what.size()) == what; }

    void advance()
    {
        if (text_[at_++] == '\n')
            ++line_;
    }

    void skip_line()
    {
        while (at_ < text_.size() && text_[at_] != '\n')
            advance();
    }

    /// False at the end.
    bool skip_blanks()
    {
        while (at_ < text_.size()) {
            if (at("//") || at("#")) {
                skip_line();
            } else if (at("/*")) {
                while (at_ < text_.size() && !at("*/"))
                    advance();
                at_ = std::min(at_ + 2, text_.size());
            } else if (std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
                advance();
            } else {
                return true;
            }
        }
        return false;
    }

    std::string word()
    {
        std::string read;
        if (text_[at_] == '"') {
            for (advance(); at_ < text_.size() && text_[at_] != '"'; advance())
                read += text_[at_];
            if (at_ < text_.size())
                advance();
            return read;
        }
        while (at_ < text_.size() &&
               std::string_view(" \t\r\n{};\"").find(text_[at_]) == std::string_view::npos) {
            read += text_[at_];
            advance();
        }
        return read;
    }

    void step()
    {
        const char c = text_[at_];
        if (c == '{') {
            if (scopes_.size() < kMostScopes)
                scopes_.push_back(name_);
            else
                ++too_deep_;
            name_.clear();
            advance();
        } else if (c == '}') {
            if (too_deep_ > 0)
                --too_deep_;
            else if (!scopes_.empty())
                scopes_.pop_back();
            name_.clear();
            advance();
        } else if (c == ';') {
            name_.clear();
            advance();
        } else {
            const std::size_t line = line_;
            const bool is_quoted = c == '"';
            std::string read = word();
            if (name_.empty() && !is_quoted)
                name_ = std::move(read);
            else
                add(std::move(read), line);
        }
    }

    void add(std::string value, std::size_t line)
    {
        std::string name;
        for (const std::string& scope : scopes_)
            name += scope + "::";
        name += name_;
        settings_.push_back({std::move(name), std::move(value), line});
    }

    std::string_view text_;
    std::size_t at_ = 0, line_ = 1, too_deep_ = 0;
    std::string name_;
    std::vector<std::string> scopes_;
    std::vector<AptSetting> settings_;
};

}  // namespace

std::vector<AptSetting> read_apt_conf(std::string_view text)
{
    return Reader(text).read();
}

}  // namespace aptward::deb
