// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// ASCII armour (RFC 4880 6): lines and base64, shared by the clearsign splitter and the keyring
// reader. Private to crypto/.

#include <optional>
#include <string>
#include <string_view>

namespace aptward::crypto {

/// Walks over lines. A line ends at LF or at the end of the bytes; after a final LF comes none.
class LineReader {
public:
    explicit LineReader(std::string_view bytes) : rest_(bytes) {}

    /// The next line without its LF, or nothing at the end.
    std::optional<std::string_view> next();

private:
    std::string_view rest_;
};

/// Without trailing blanks, tabs and CR: what clear-text signatures do not cover (RFC 4880 7.1).
std::string_view without_trailing_blanks(std::string_view line);

/// "Version: GnuPG v1", "Comment:": the armour headers that RFC 4880 6.2 defines.
bool is_armour_header(std::string_view line);

/// "=" and four base64 digits: the checksum line.
bool is_armour_checksum(std::string_view line);

}  // namespace aptward::crypto
