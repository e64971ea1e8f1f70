// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/snapshot_diff.h"

#include <algorithm>
#include <set>

#include "archive/index_table.h"
#include "base/pages.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "deb/deb_file.h"

namespace aptward::archive {
namespace {

constexpr std::size_t kMostExcerpt = 4096;
constexpr std::size_t kLongestLine = 256;
constexpr std::uint64_t kLargestDeb = 64ULL << 20;  // packed; for an excerpt, more is not worth it
constexpr std::uint64_t kLargestContent = 256ULL << 20;
constexpr std::uint64_t kLargestChangelog = 16ULL << 20;

// "hello (2.10-3) unstable; urgency=medium" -> "2.10-3"; empty for lines that begin no entry.
std::string_view version_in(std::string_view line)
{
    const std::size_t open = line.find(" (");
    const std::size_t close = line.find(") ", std::min(open, line.size()));
    if (line.empty() || line.front() == ' ' || close == line.npos)
        return {};
    return line.substr(open + 2, close - open - 2);
}

bool is_changelog(std::string_view path, std::string_view package)
{
    const std::string folder = "usr/share/doc/" + std::string(package) + "/changelog";
    return path.starts_with(folder) && path.ends_with(".gz");
}

// What a held .deb says of itself; empty when it is not held, or says nothing.
std::string read_changelog(const store::Blobs& blobs, const PackageChange& change)
{
    if (change.file.size_bytes > kLargestDeb)
        return "";
    const auto file = blobs.read(change.file);
    if (!file)
        return "";
    Pages bytes(change.file.size_bytes);
    deb::DebFile package;
    if (!read_all_at(file->get(), bytes.span(), 0) ||
        crypto::digest_of(bytes.view(), change.file.algorithm) != change.file ||
        !deb::read_deb(bytes.view(), package))
        return "";
    std::string best;  // changelog.Debian.gz before changelog.gz
    const auto visited =
        deb::scan_deb_data(package, kLargestContent, [&](const deb::TarMember& member) {
            if (member.kind != deb::TarMember::Kind::file ||
                !is_changelog(member.path, change.package) ||
                (!best.empty() && member.path.find("Debian") == std::string::npos))
                return;
            auto text = deb::decompress(member.content, deb::Compression::gz, kLargestChangelog);
            if (text)
                best = changelog_since(*text, change.from);
        });
    return visited ? best : "";
}

// Without their compression.
std::set<std::string> package_indexes(const catalog::GenerationPtr& generation)
{
    std::set<std::string> bases;
    if (generation)
        for (const auto& [path, file] : generation->release().files) {
            std::string base(deb::without_compression(path));
            if (deb::classify_index(base).kind == deb::IndexKind::packages)
                bases.insert(std::move(base));
        }
    return bases;
}

// One of the two states of a suite.
struct Side {
    const catalog::GenerationPtr& generation;
    const std::set<std::string> indexes = package_indexes(generation);
    PackageStates packages{};
};

// Nothing: it is listed, and no form of it is held. Empty where it is not listed.
Result<std::optional<std::string>> text_of(const store::Blobs& blobs, const Side& side,
                                           const std::string& base)
{
    if (side.indexes.count(base) == 0)
        return std::string();
    auto text = read_index(blobs, side.generation->release(), base);
    if (text)
        return std::move(*text);
    if (text.error().code() == Errc::not_found)
        return std::nullopt;
    return tl::unexpected<Error>(std::move(text).error().within(base));
}

bool is_used(const Side& side, const std::string& base)
{
    return side.generation->tables().count(base) > 0;
}

// What both sides say, of each index of which both are held: else all its packages would seem to
// come, or to go. False when there is no such index.
Result<bool> read_sides(const store::Blobs& blobs, Side& before, Side& after,
                        std::vector<std::string>& unread)
{
    std::set<std::string> bases = before.indexes;
    bases.insert(after.indexes.begin(), after.indexes.end());
    bool is_any_read = false;
    for (const std::string& base : bases) {
        TRY(const auto old, text_of(blobs, before, base));
        TRY(const auto now, text_of(blobs, after, base));
        if (old && now) {
            TRY_VOID(add_packages(*old, before.packages));
            TRY_VOID(add_packages(*now, after.packages));
            is_any_read = true;
        } else if (is_used(before, base) || is_used(after, base) || old || now) {
            unread.push_back(base);
        }
    }
    return is_any_read;
}

catalog::GenerationPtr generation_in(const PastView& past, const std::string& suite)
{
    const catalog::SuiteView* view = past.view.find(suite);
    return view == nullptr ? nullptr : view->current;
}

// Why there is nothing to compare; empty: there is.
std::string lost_in(const PastView& past, const std::string& suite)
{
    const std::string at = catalog::format_stamp(past.at);
    if (const auto lost = past.lost.find(suite); lost != past.lost.end())
        return "what it was at " + at + " is not to be had: " + lost->second;
    return generation_in(past, suite) == nullptr
               ? "no release of it from before " + at + " is known here"
               : "";
}

}  // namespace

Result<void> add_packages(std::string_view index, PackageStates& to)
{
    return deb::scan_packages(index, [&](const deb::PoolFile& file) {
        const deb::PackageFields fields = deb::read_package_fields(file.record);
        std::string source(fields.source.empty() ? fields.package : fields.source);
        PackageState state{std::string(fields.version), std::move(source), file.digest};
        const auto [known, is_new] =
            to.try_emplace({std::string(fields.package), std::string(fields.architecture)}, state);
        if (!is_new && deb::compare_versions(state.version, known->second.version) > 0)
            known->second = std::move(state);
    });
}

std::string_view to_string(PackageChange::Kind kind)
{
    switch (kind) {
        case PackageChange::Kind::added:
            return "added";
        case PackageChange::Kind::removed:
            return "removed";
        case PackageChange::Kind::upgraded:
            return "upgraded";
        case PackageChange::Kind::downgraded:
            return "downgraded";
        case PackageChange::Kind::rebuilt:
            return "rebuilt";
    }
    return "";
}

std::vector<PackageChange> compare(const PackageStates& before, const PackageStates& after)
{
    std::set<std::pair<std::string, std::string>> names;
    for (const auto& [name, state] : before)
        names.insert(name);
    for (const auto& [name, state] : after)
        names.insert(name);
    std::vector<PackageChange> changes;
    for (const auto& name : names) {
        const auto old = before.find(name), now = after.find(name);
        const PackageState& shown = now == after.end() ? old->second : now->second;
        PackageChange change;
        change.package = name.first;
        change.architecture = name.second;
        change.from = old == before.end() ? "" : old->second.version;
        change.to = now == after.end() ? "" : now->second.version;
        change.source = shown.source;
        change.bytes = shown.file.size_bytes;
        change.file = shown.file;
        if (old == before.end()) {
            change.kind = PackageChange::Kind::added;
        } else if (now == after.end()) {
            change.kind = PackageChange::Kind::removed;
        } else {
            const int order = deb::compare_versions(change.from, change.to);
            if (order == 0 && old->second.file == now->second.file)
                continue;
            change.kind = order < 0   ? PackageChange::Kind::upgraded
                          : order > 0 ? PackageChange::Kind::downgraded
                                      : PackageChange::Kind::rebuilt;
        }
        changes.push_back(std::move(change));
    }
    return changes;
}

std::string changelog_since(std::string_view changelog, std::string_view since)
{
    std::string excerpt;
    while (!changelog.empty() && excerpt.size() < kMostExcerpt) {
        const std::size_t end = std::min(changelog.find('\n'), changelog.size());
        const std::string_view line = changelog.substr(0, end);
        changelog.remove_prefix(std::min(end + 1, changelog.size()));
        const std::string_view version = version_in(line);
        if (!version.empty() && !since.empty() && deb::compare_versions(version, since) <= 0)
            break;
        excerpt += printable(line.substr(0, kLongestLine)) + "\n";
    }
    while (excerpt.ends_with("\n\n"))
        excerpt.pop_back();
    return excerpt == "\n" ? "" : excerpt;
}

Result<std::vector<SuiteDiff>> diff_views(const store::Blobs& blobs, const PastView& before,
                                          const PastView& after, std::size_t changelogs)
{
    std::set<std::string> suites;
    for (const PastView* past : {&before, &after}) {
        for (const auto& [suite, view] : past->view.suites)
            suites.insert(suite);
        for (const auto& [suite, why] : past->lost)
            suites.insert(suite);
    }
    std::vector<SuiteDiff> diffs;
    for (const std::string& suite : suites) {
        const auto from = generation_in(before, suite), to = generation_in(after, suite);
        SuiteDiff diff{suite, from ? from->id() : "", to ? to->id() : "", {}, {}, {}};
        for (const PastView* past : {&before, &after})
            if (diff.lost.empty())
                diff.lost = lost_in(*past, suite);
        if (diff.from != diff.to && diff.lost.empty()) {
            Side old{from}, now{to};
            TRY(const bool is_any_read, read_sides(blobs, old, now, diff.unread));
            if (!is_any_read)
                diff.lost = "no index is held of both";
            diff.changes = compare(old.packages, now.packages);
        }
        for (PackageChange& change : diff.changes)
            if (change.kind != PackageChange::Kind::removed && changelogs > 0) {
                change.changelog = read_changelog(blobs, change);
                if (!change.changelog.empty())
                    --changelogs;
            }
        diffs.push_back(std::move(diff));
    }
    return diffs;
}

}  // namespace aptward::archive
