// SPDX-License-Identifier: GPL-3.0-or-later
// The names that Release files and indexes give to files: cleaning them (V24) and reading from them
// what a file is.
#include <array>
#include <utility>

#include "base/text.h"
#include "deb/deb.h"
#include "deb/path.h"

namespace aptward::deb {
namespace {

constexpr std::size_t kLongestPath = 4096;  // PATH_MAX of Linux (V24)

constexpr std::array<std::pair<std::string_view, Compression>, 5> kSuffixes = {
    {{".gz", Compression::gz},
     {".xz", Compression::xz},
     {".zst", Compression::zst},
     {".bz2", Compression::bz2},
     {".lzma", Compression::lzma}}};

// A file that is nothing but a suffix (".gz") has no compression: it would have no name without it.
const std::pair<std::string_view, Compression>* suffix_of(std::string_view path)
{
    const std::string_view name = path.substr(path.rfind('/') + 1);
    for (const auto& suffix : kSuffixes)
        if (name.size() > suffix.first.size() && name.ends_with(suffix.first))
            return &suffix;
    return nullptr;
}

bool has_impossible_byte(std::string_view path)
{
    bool is_impossible = false;  // no early exit: so the compiler makes a vector loop of it
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        is_impossible |= byte < 0x20 || byte == 0x7f || byte == '\\';
    }
    return is_impossible;
}

// "binary-amd64" after "binary-" gives "amd64".
std::string_view after_prefix(std::string_view text, std::string_view prefix)
{
    return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string_view();
}

// A path of directories and a last name, read from its front.
class PathParts {
public:
    explicit PathParts(std::string_view path)
    {
        std::size_t begin = 0;
        for (std::size_t end = path.find('/'); end != path.npos; end = path.find('/', begin)) {
            directories_.push_back(path.substr(begin, end - begin));
            begin = end + 1;
        }
        name_ = path.substr(begin);
    }

    const std::vector<std::string_view>& directories() const { return directories_; }
    std::string_view name() const { return name_; }
    std::string_view last_directory() const
    {
        return directories_.empty() ? std::string_view() : directories_.back();
    }
    /// The first `count` directories, without the installer's part of a component.
    std::string component(std::size_t count) const
    {
        if (count > 0 && directories_[count - 1] == "debian-installer")
            --count;
        std::string joined;
        for (std::size_t i = 0; i < count; ++i)
            joined.append(i == 0 ? "" : "/").append(directories_[i]);
        return joined;
    }

private:
    std::vector<std::string_view> directories_;
    std::string_view name_;
};

// The directory that says what is in it, from the front: "binary-amd64", "source", "i18n", ...
struct Place {
    std::size_t depth = 0;
    std::string architecture;
    bool is_installer = false;
};

std::optional<Place> find_place(const PathParts& parts)
{
    const auto& directories = parts.directories();
    for (std::size_t i = 0; i < directories.size(); ++i) {
        if (const auto binary = after_prefix(directories[i], "binary-"); !binary.empty())
            return Place{i, std::string(binary)};
        if (const auto installer = after_prefix(directories[i], "installer-"); !installer.empty())
            return Place{i, std::string(installer), true};
        if (directories[i] == "source")
            return Place{i, "source"};
        if (directories[i] == "i18n" || directories[i] == "dep11" || directories[i] == "cnf")
            return Place{i, ""};
    }
    return std::nullopt;
}

bool is_in_diff(const PathParts& parts)
{
    for (const std::string_view directory : parts.directories())
        if (directory.ends_with(".diff"))
            return true;
    return false;
}

bool is_checksum_list(std::string_view name)
{
    return name == "SHA256SUMS" || name == "SHA512SUMS" || name == "SHA1SUMS" || name == "MD5SUMS";
}

std::string contents_architecture(std::string_view name)
{
    std::string_view rest = after_prefix(name, "Contents-");
    if (rest.starts_with("udeb-"))
        rest.remove_prefix(5);
    return std::string(rest.substr(0, rest.find('.')));  // Contents-amd64.diff
}

// `name`: the last part of the path, without compression suffix.
IndexKind kind_of(const PathParts& parts, std::string_view name, const std::optional<Place>& place)
{
    if (is_in_diff(parts))
        return IndexKind::pdiff;
    if ((place && place->is_installer) || is_checksum_list(name))
        return IndexKind::installer;
    const std::string_view directory = parts.last_directory();
    if (name == "Packages" && (parts.directories().empty() || directory.starts_with("binary-")))
        return IndexKind::packages;
    if (name == "Sources" && (parts.directories().empty() || directory == "source"))
        return IndexKind::sources;
    if (!contents_architecture(name).empty())
        return IndexKind::contents;
    if (directory == "i18n" && !after_prefix(name, "Translation-").empty())
        return IndexKind::translation;
    return IndexKind::other;
}

}  // namespace

Compression compression_of(std::string_view path)
{
    const auto* suffix = suffix_of(path);
    return suffix != nullptr ? suffix->second : Compression::none;
}

std::string_view without_compression(std::string_view path)
{
    const auto* suffix = suffix_of(path);
    return suffix != nullptr ? path.substr(0, path.size() - suffix->first.size()) : path;
}

IndexName classify_index(std::string_view path)
{
    IndexName index;
    index.base = without_compression(path);
    const PathParts parts(path);
    const auto place = find_place(parts);
    const std::string_view name = without_compression(parts.name());
    index.kind = kind_of(parts, name, place);
    if (place) {
        index.component = parts.component(place->depth);
        index.architecture = place->architecture;
    } else if (index.kind == IndexKind::contents) {
        index.component = parts.component(parts.directories().size());
        index.architecture = contents_architecture(name);
    } else if (index.kind == IndexKind::pdiff) {  // main/Contents-amd64.diff/Index
        const std::string_view directory = parts.last_directory();
        index.component = parts.component(parts.directories().size() - 1);
        index.architecture = contents_architecture(directory);
    } else if (index.kind == IndexKind::sources) {
        index.architecture = "source";
    }
    return index;
}

bool is_clean_path(std::string_view path)
{
    if (path.empty() || path.size() > kLongestPath || path.front() == '/' || path.back() == '/' ||
        path.front() == '.' || has_impossible_byte(path))
        return false;
    bool has_odd_part = false;  // no early exit, as above
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
        const char here = path[i];
        const char next = path[i + 1];
        has_odd_part |= here == '/' && (next == '/' || next == '.');
    }
    return !has_odd_part;
}

std::optional<std::string> clean_relative_path(std::string_view path)
{
    if (is_clean_path(path))
        return std::string(path);
    if (path.empty() || path.size() > kLongestPath || path.front() == '/' || path.back() == '/' ||
        has_impossible_byte(path))
        return std::nullopt;
    std::string cleaned;
    std::string_view part;
    for (std::string_view rest = path; !rest.empty();) {
        const std::size_t end = rest.find('/');
        part = rest.substr(0, end);
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
        if (part == "..")  // would let an index name files outside the archive
            return std::nullopt;
        if (part.empty() || part == ".")
            continue;
        cleaned.append(cleaned.empty() ? "" : "/").append(part);
    }
    if (cleaned.empty() || part == ".")  // "a/." names a directory, as "a/" does
        return std::nullopt;
    return cleaned;
}

}  // namespace aptward::deb
