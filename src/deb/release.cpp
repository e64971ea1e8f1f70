// SPDX-License-Identifier: GPL-3.0-or-later
// The text of a Release file (Debian RepositoryFormat, "Release files"; rules V22 to V26, V31).
#include "base/text.h"
#include "deb/deb.h"
#include "deb/line.h"

namespace aptward::deb {
namespace {

constexpr std::size_t kMostListedFiles = 200'000;  // guess: Ubuntu lists about 5,000

// apt's StringToBool (apt-pkg/contrib/strutl.cc), for fields that are off by default.
bool is_yes(std::string_view value)
{
    for (const char* yes : {"yes", "true", "on", "1", "enable", "with"})
        if (equals_ignoring_case(value, yes))
            return true;
    return false;
}

std::vector<std::string> list_of(std::string_view value)
{
    const auto parts = words(value);
    return {parts.begin(), parts.end()};
}

// The fields of the paragraph by name, as written in any case.
class Fields {
public:
    explicit Fields(const std::vector<Field>& fields) : fields_(fields) {}

    const std::string* find(std::string_view name) const
    {
        for (const Field& field : fields_)
            if (equals_ignoring_case(field.name, name))
                return &field.value;
        return nullptr;
    }
    std::string text(std::string_view name) const
    {
        const std::string* value = find(name);
        return value != nullptr ? *value : std::string();
    }

private:
    const std::vector<Field>& fields_;
};

struct SectionLine {
    std::string path;
    Digest digest;
};

// " HASH SIZE NAME"
Result<SectionLine> parse_section_line(std::string_view line, HashAlgorithm algorithm)
{
    std::string_view rest = line;
    const std::string_view hex = next_word(rest);
    const auto size = parse_number(next_word(rest));
    const std::string_view name = next_word(rest);
    if (!size || *size > kLargestListedSize)
        return fail(Errc::malformed, "column 2 is not a size in bytes: " + printable(line));
    const auto digest = parse_digest(hex, *size);
    if (!digest || digest->algorithm != algorithm)
        return fail(Errc::malformed, "column 1 is no such hash: " + printable(line));
    if (!next_word(rest).empty())
        return fail(Errc::malformed, "there is a fourth column: " + printable(line));
    auto path = clean_relative_path(name);
    if (!path)  // V24: ".." would let a list name files outside the suite
        return fail(Errc::malformed, "column 3 is not a path below the suite: " + printable(line));
    return SectionLine{std::move(*path), *digest};
}

// V23: adds one digest to what is known of a name, or says how it contradicts that.
Result<void> add_digest(ListedFile& file, const Digest& digest)
{
    for (const Digest& known : file.digests) {
        if (known.size_bytes != digest.size_bytes)
            return fail(Errc::malformed, printable(file.path) + " is listed with two sizes");
        if (known.algorithm == digest.algorithm) {
            if (known != digest)
                return fail(Errc::malformed, printable(file.path) + " is listed with two hashes");
            return {};
        }
    }
    file.digests.push_back(digest);
    return {};
}

Result<void> read_section(std::string_view section, HashAlgorithm algorithm, Release& release)
{
    while (!section.empty()) {
        const std::string_view line = next_line(section);
        if (line.empty())
            continue;
        TRY(auto entry, parse_section_line(line, algorithm));
        // Lists are nearly always sorted: the end is the place.
        const auto place = release.files.try_emplace(release.files.end(), entry.path);
        place->second.path = std::move(entry.path);
        TRY_VOID(add_digest(place->second, entry.digest));
        if (release.files.size() > kMostListedFiles)
            return fail(Errc::malformed, "it lists too many files");
    }
    return {};
}

Result<void> read_files(const Fields& fields, Release& release)
{
    bool has_strong = false;
    for (const auto algorithm : {HashAlgorithm::sha256, HashAlgorithm::sha512}) {
        const std::string_view name = to_string(algorithm);
        const std::string* section = fields.find(name);
        if (section == nullptr)
            continue;
        has_strong = true;
        auto read = read_section(*section, algorithm, release);
        if (!read)
            return tl::unexpected<Error>(std::move(read).error().within(name));
    }
    // V30: a release that dropped its strong hashes gives no trust in anything it lists.
    if (!has_strong && (!fields.text("MD5Sum").empty() || !fields.text("SHA1").empty()))
        return fail(Errc::malformed, "it lists files with MD5 or SHA-1 only");
    return {};
}

Result<std::optional<SystemTime>> read_date(const Fields& fields, std::string_view name)
{
    const std::string* value = fields.find(name);
    if (value == nullptr)
        return std::optional<SystemTime>();
    auto time = parse_release_date(*value);
    if (!time)
        return tl::unexpected<Error>(std::move(time).error().within(name));
    return std::optional<SystemTime>(*time);
}

void read_names(const Fields& fields, Release& release)
{
    release.origin = fields.text("Origin");
    release.label = fields.text("Label");
    release.suite = fields.text("Suite");
    release.codename = fields.text("Codename");
    release.version = fields.text("Version");
    release.description = fields.text("Description");
    release.components = list_of(fields.text("Components"));
    release.architectures = list_of(fields.text("Architectures"));
    release.acquire_by_hash = is_yes(fields.text("Acquire-By-Hash"));
    release.not_automatic = is_yes(fields.text("NotAutomatic"));
    release.but_automatic_upgrades = is_yes(fields.text("ButAutomaticUpgrades"));
    release.signed_by = fields.text("Signed-By");
    release.snapshots = fields.text("Snapshots");
    release.changelogs = fields.text("Changelogs");
    const std::string without_all = fields.text("No-Support-for-Architecture-all");
    for (const std::string_view index : words(without_all))
        release.packages_without_all = release.packages_without_all || index == "Packages";
}

}  // namespace

const ListedFile* Release::find(std::string_view path) const
{
    const auto found = files.find(path);
    return found == files.end() ? nullptr : &found->second;
}

Result<Release> parse_release(std::string_view text)
{
    TRY(const auto paragraph, parse_single_paragraph(text));
    const Fields fields(paragraph);
    Release release;
    read_names(fields, release);
    TRY(release.date, read_date(fields, "Date"));
    // V25: apt warns and goes on with 1970; without a date no rollback can be seen.
    if (!release.date)
        return fail(Errc::malformed, "there is no Date");
    TRY(release.valid_until, read_date(fields, "Valid-Until"));
    TRY_VOID(read_files(fields, release));
    return release;
}

}  // namespace aptward::deb
