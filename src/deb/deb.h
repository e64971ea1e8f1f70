// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of deb/: Debian's formats, pure parsers with limits. Nothing here decides trust.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"

namespace aptward::deb {

/// One deb822 field; values keep their continuation lines, joined by '\n', leading blanks trimmed.
struct Field {
    std::string_view name;
    std::string value;
};

/// Exactly one paragraph (V22): refuses duplicate names, NUL, non-UTF-8, a second paragraph.
/// Spec: Debian policy 5.1.
Result<std::vector<Field>> parse_single_paragraph(std::string_view text);

/// Dates of Release files in every published spelling (archive-reality: blank-padded hour, UTC,
/// GMT, Z, +0000). Only UTC. Fails with malformed.
Result<SystemTime> parse_release_date(std::string_view text);

/// "Sat, 22 Nov 2026 07:49:53 UTC": as Release files write it.
std::string format_release_date(SystemTime time);

/// One file that a Release lists. A name listed by several sections has several digests.
struct ListedFile {
    std::string path;             ///< Relative to the Release, normalised ("./" removed).
    std::vector<Digest> digests;  ///< Strong ones only, SHA-256 first; never empty.
};

/// The content of a verified or to-be-judged Release text (V22 to V25, V31).
struct Release {
    std::string origin, label, suite, codename, version, description;
    std::optional<SystemTime> date;  ///< Always present in what parse_release returns.
    std::optional<SystemTime> valid_until;
    std::vector<std::string> components, architectures;
    bool acquire_by_hash = false;
    bool not_automatic = false, but_automatic_upgrades = false;
    bool packages_without_all = false;  ///< No-Support-for-Architecture-all: Packages
    std::string signed_by;              ///< Signed-By field, as written (V18).
    std::string snapshots, changelogs;
    std::map<std::string, ListedFile, std::less<>> files;

    const ListedFile* find(std::string_view path) const;
};

/// Parses the canonical signed text of a Release.
/// Fails with malformed for every rule V22 to V26 that concerns the text alone: duplicate fields,
/// no or unparsable Date, unparsable Valid-Until, names that leave the directory, the same name
/// with different size or hash, sizes over 2^40, no strong section while files are listed.
/// Pure. Spec: Debian RepositoryFormat, "Release files".
Result<Release> parse_release(std::string_view text);

enum class Compression { none, gz, xz, zst, bz2, lzma };

/// By file name extension: "Packages.xz" is xz.
Compression compression_of(std::string_view path);

/// "main/binary-amd64/Packages.xz" without its compression suffix.
std::string_view without_compression(std::string_view path);

/// Unpacks all of `bytes`, at most `limit_bytes` of output (A4b).
/// Fails with malformed for broken or truncated input, trailing garbage, or more output.
/// CPU bound; call on a worker.
Result<std::string> decompress(std::string_view bytes, Compression compression,
                               std::uint64_t limit_bytes);

/// Unpacks `bytes` into `room`, which it must fill exactly.
/// `compression`: any but none. `progress` is told how many bytes are there, about every megabyte
/// and at the end; gz comes all at once.
/// Fails with malformed as decompress() does, and for less output. CPU bound; call on a worker.
using UnpackProgress = std::function<void(std::size_t)>;
Result<void> decompress_exactly(std::string_view bytes, Compression compression,
                                std::span<char> room, const UnpackProgress& progress);

/// What a path listed in a Release is, for choosing what a generation needs.
enum class IndexKind {
    packages,     ///< [COMP/]binary-ARCH/Packages, debian-installer too; flat "Packages"
    sources,      ///< [COMP/]source/Sources; flat "Sources"
    contents,     ///< Contents-ARCH, udeb forms
    translation,  ///< i18n/Translation-LANG
    pdiff,        ///< anything inside X.diff/ (Index and patches)
    installer,    ///< installer-ARCH/..., SHA256SUMS and the like
    other,        ///< dep11, cnf, icons, Release stubs...
};
struct IndexName {
    IndexKind kind = IndexKind::other;
    std::string component;     ///< "main", "updates/main"; empty in flat repositories
    std::string architecture;  ///< "amd64", "all", "source"; empty where it means nothing
    std::string base;          ///< Path without compression suffix: what its variants share.
};
IndexName classify_index(std::string_view path);

/// One downloadable object of a Packages or Sources index.
struct PoolFile {
    std::string_view path;  ///< As the index writes it ("./" removed); for flat repositories
                            ///< relative to the repository's root as Filename says.
    Digest digest;
    std::string_view record;  ///< All that the index says of its package: for PackageFields.
};

/// Calls `visit` for every object. Sources give one object per listed file.
/// Skips nothing silently: a record that names a file without a strong digest, with a path that
/// leaves the archive or with a size over 2^40 makes the whole index malformed, except that
/// records without Filename (or Sources without Checksums-*) are ignored as apt ignores them.
/// The views live as long as `text` (and the visit call for Sources).
/// Pure, CPU bound: 50 MB in some 10 ms; call on a worker.
using VisitPoolFile = std::function<void(const PoolFile&)>;
Result<void> scan_packages(std::string_view text, const VisitPoolFile& visit);
Result<void> scan_sources(std::string_view text, const VisitPoolFile& visit);

/// What a record of a Packages or Sources index says of its package, as it is written there.
struct PackageFields {
    std::string_view package, version, architecture, source, section;
    std::string_view pre_depends, depends, recommends, provides;
};
/// Reads one record; a field given twice counts as apt takes it, the last one. The views live as
/// long as `record`. Pure.
PackageFields read_package_fields(std::string_view record);

/// The names in a field such as Depends: "a (>= 1) | b:any, c" gives {{a, b}, {c}}. Versions and
/// architectures are left out, as is what is no name. The views live as long as `field`. Pure.
std::vector<std::vector<std::string_view>> parse_relations(std::string_view field);

/// Negative, zero or positive, as the first is older, equal or newer. Takes any text. Pure.
/// Spec: Debian policy 5.6.12.
int compare_versions(std::string_view a, std::string_view b);

/// Cleans a relative path: removes "./" and doubled slashes.
/// Nothing for what would leave the archive or is impossible: "..", control bytes, backslash,
/// over 4096 bytes, empty (V24).
std::optional<std::string> clean_relative_path(std::string_view path);

/// Whether a Release's own names fit the suite directory it was served at (V29, A22).
/// `suite_path` is what stands behind dists/, e.g. "noble-updates", "stable/updates".
/// See archive-reality 4: Suite must equal the path; Codename is enough only where the Suite field
/// does not name a sibling of the path (noble-proposed at dists/noble is refused although both say
/// "Codename: noble"); known aliases (stable, testing, oldstable, devel*, rc-buggy, X/updates)
/// are shipped. `extra_aliases` are the operator's names for this suite.
/// Flat repositories (empty suite_path or ending in '/') always fit: Origin and Label are pinned.
bool fits_suite_path(const Release& release, std::string_view suite_path,
                     const std::vector<std::string>& extra_aliases = {});

/// One (uri, suite) of the machine's apt sources.
struct AptSource {
    std::string uri;    ///< As written, with trailing slash removed; "$(ARCH)" kept symbolic.
    std::string suite;  ///< "bookworm"; for flat repositories the exact path, ending in '/'.
    std::vector<std::string> components;     ///< Empty for flat repositories.
    std::vector<std::string> architectures;  ///< What apt would use for it here.
    bool binary = false, source = false;     ///< deb, deb-src
    std::string signed_by;  ///< Paths, fingerprints or an inline key block, as apt reads it.
    bool trusted = false;   ///< trusted=yes
};

/// Reads the machine's sources through libapt-pkg (sources.list, .list, .sources).
/// `root`: the Dir to read below, "/" for the machine itself. Merges deb and deb-src of one suite.
/// Not thread-safe (libapt-pkg's global configuration): call once at start.
/// Fails with malformed, giving apt's own words.
Result<std::vector<AptSource>> read_apt_sources(const std::string& root = "/");

/// What apt's configuration of the machine says of `names`; those that it does not set are left
/// out. Fails and is to be called as read_apt_sources().
Result<std::map<std::string, std::string>> read_apt_settings(const std::vector<std::string>& names,
                                                             const std::string& root = "/");
/// The architectures that apt installs for, the native one first. Is to be called as above.
std::vector<std::string> apt_architectures();

/// Paths of the keyrings that apt falls back to without Signed-By: trusted.gpg and trusted.gpg.d.
std::vector<std::string> default_apt_keyrings(const std::string& root = "/");

/// The machine's native architecture as apt sees it ("amd64").
std::string native_architecture();

}  // namespace aptward::deb
