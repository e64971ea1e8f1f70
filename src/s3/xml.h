// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The few forms of XML in which such services answer. Pure; fuzzed. Private to s3/.
//
// No document type, no entities but XML's own, nothing read from attributes; names are letters and
// digits. Spec: XML 1.0.

#include <optional>
#include <string>
#include <string_view>

namespace aptward::s3 {

bool is_xml_word(char c);

/// Each step gives false for anything but what it reads.
class XmlCursor {
public:
    explicit XmlCursor(std::string_view text) : rest_(text) {}

    bool skip(std::string_view token);
    void skip_spaces();
    /// <?xml version="1.0" encoding="UTF-8"?>, which may be missing.
    bool skip_declaration();
    /// <NAME>, <NAME ATTRIBUTES>, or one of them with "/" at its end: then it is empty and over.
    bool open(std::string_view& name, bool& is_over);
    /// The beginning of a document whose one element has this name, and something in it.
    bool open_document(std::string_view name);
    bool close(std::string_view name) { return skip("</") && skip(name) && skip(">"); }
    /// What is left of an element that was opened, with at most `depth` levels below it.
    bool skip_rest_of(std::string_view name, unsigned depth);
    /// Up to the next tag.
    std::string_view text();

    bool is_at_end() const { return rest_.empty(); }
    bool is_at_closing() const { return rest_.starts_with("</"); }

private:
    std::string_view rest_;
};

/// With XML's own entities; characters by number become "?", which nobody has to read.
std::optional<std::string> plain_xml(std::string_view text);

}  // namespace aptward::s3
