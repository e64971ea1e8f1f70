// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/auxiliary.h"

#include <algorithm>

#include "deb/deb.h"

namespace aptward::archive {
namespace {

constexpr std::string_view kSums = "SHA256SUMS";
constexpr std::size_t kSha256Digits = 64;

std::string_view last_part(std::string_view path)
{
    return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

bool ends_with(std::string_view text, std::string_view end)
{
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// "dists/noble/main/PREFIXall/current/x" has a component that begins with `prefix`, not the last.
bool is_below(std::string_view path, std::string_view prefix)
{
    if (path.substr(0, 6) != "dists/")
        return false;
    const std::size_t at = path.find("/" + std::string(prefix));
    return at != std::string_view::npos && path.find('/', at + 1) != std::string_view::npos;
}

bool fits_part(std::string_view part, std::string_view pattern)
{
    // The classic backtracking over the last '*': linear space, no recursion.
    std::size_t p = 0, s = 0, star = std::string_view::npos, resume = 0;
    while (s < part.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = s;
        } else if (p < pattern.size() && pattern[p] == part[s]) {
            ++p;
            ++s;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            s = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*')
        ++p;
    return p == pattern.size();
}

}  // namespace

const std::vector<std::string>& standard_auxiliary()
{
    static const std::vector<std::string> kPatterns = {
        "meta-release*",
        "changelogs/",
        "pool/*/*/*/*.changelog",
        "dists/*/*/dist-upgrader-*/",
        "project/",
        "doc/",
        "README*",
        "ls-lR.gz",
    };
    return kPatterns;
}

bool fits_pattern(std::string_view path, std::string_view pattern)
{
    for (;;) {
        if (pattern.empty())
            return !path.empty();  // after a final '/': everything below
        const std::size_t pattern_end = std::min(pattern.find('/'), pattern.size());
        const std::size_t path_end = std::min(path.find('/'), path.size());
        if (!fits_part(path.substr(0, path_end), pattern.substr(0, pattern_end)))
            return false;
        const bool is_last = pattern_end == pattern.size();
        const bool is_file = path_end == path.size();
        if (is_last || is_file)
            return is_last && is_file;
        pattern.remove_prefix(pattern_end + 1);
        path.remove_prefix(path_end + 1);
    }
}

Result<void> check_pattern(std::string_view pattern)
{
    const std::string text(pattern);
    if (pattern.empty() || pattern.front() == '/')
        return fail(Errc::malformed, "\"" + text + "\" is no path inside the archive");
    if (pattern.front() == '*')
        return fail(Errc::malformed, "\"" + text +
                                         "\" would let every file pass unproven: begin "
                                         "with a name, such as \"doc/\"");
    if (pattern == "pool/" || pattern == "dists/")
        return fail(Errc::malformed,
                    "\"" + text + "\" would let packages and indexes pass unproven");
    return {};
}

AuxiliaryName read_auxiliary(std::string_view path, const std::vector<std::string>& patterns)
{
    AuxiliaryName name;
    if (is_below(path, "dist-upgrader-")) {
        if (ends_with(path, ".tar.gz"))
            name.signed_file = path;
        else if (ends_with(path, ".tar.gz.gpg"))
            name.signed_file = path.substr(0, path.size() - 4);
    } else if (is_below(path, "installer-")) {
        if (last_part(path) == kSums || ends_with(path, "/SHA256SUMS.gpg"))
            name.signed_file = path.substr(0, path.rfind('/') + 1 + kSums.size());
        // Up to the installer's own folder, nearest first.
        std::string_view folder = path.substr(0, path.rfind('/'));
        while (name.signed_file.empty() && is_below(std::string(folder) + "/", "installer-")) {
            name.sums.push_back(std::string(folder) + "/" + std::string(kSums));
            folder = folder.substr(0, folder.rfind('/'));
        }
    }
    name.is_signature = !name.signed_file.empty() && path != name.signed_file;
    const bool has_proof = !name.signed_file.empty() || !name.sums.empty();
    name.may_pass_unproven = !has_proof && std::any_of(patterns.begin(), patterns.end(),
                                                       [&](const std::string& pattern) {
                                                           return fits_pattern(path, pattern);
                                                       });
    return name;
}

Result<Digest> find_sum(std::string_view sums, std::string_view name)
{
    std::optional<Digest> found;
    while (!sums.empty()) {
        const std::size_t end = std::min(sums.find('\n'), sums.size());
        std::string_view line = sums.substr(0, end);
        sums.remove_prefix(std::min(end + 1, sums.size()));
        // sha256sum's form: 64 digits, a blank, a blank or '*' (binary), the name.
        if (line.size() < kSha256Digits + 3 || line[kSha256Digits] != ' ' ||
            (line[kSha256Digits + 1] != ' ' && line[kSha256Digits + 1] != '*'))
            continue;
        const auto listed = deb::clean_relative_path(line.substr(kSha256Digits + 2));
        const auto digest = parse_digest(line.substr(0, kSha256Digits), 0);
        if (!listed || *listed != name || !digest)
            continue;
        if (found && *found != *digest)
            return fail(Errc::malformed, "SHA256SUMS gives two hashes for " + std::string(name));
        found = digest;
    }
    if (!found)
        return fail(Errc::not_found, "SHA256SUMS does not list " + std::string(name));
    return *found;
}

}  // namespace aptward::archive
