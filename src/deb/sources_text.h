// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Where the URIs stand in the text of apt's sources, so that one can be replaced while every other
// byte stays. What a source means is libapt-pkg's to say (apt_sources.cpp). Pure.

#include <string>
#include <string_view>
#include <vector>

namespace aptward::deb {

enum class SourcesFormat { one_line, deb822 };

/// One URI of an enabled source.
struct UriPlace {
    std::string uri;
    std::size_t offset = 0;           ///< Of its first byte; it has uri.size() bytes.
    std::vector<std::string> suites;  ///< Of its source, as written.
    std::size_t line = 0;             ///< From 1.
};

/// In the order of the text. Comments, disabled stanzas and lines that are no sources are left out.
/// Spec: sources.list(5).
std::vector<UriPlace> find_source_uris(std::string_view text, SourcesFormat format);

/// The text with each place's URI replaced; `to` has one for each place.
std::string replace_uris(std::string_view text, const std::vector<UriPlace>& places,
                         const std::vector<std::string>& to);

}  // namespace aptward::deb
