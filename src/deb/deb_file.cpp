// SPDX-License-Identifier: GPL-3.0-or-later
// The ar frame of a .deb (deb(5), ar(5)): a magic, then for each member a header of 60 bytes of
// text and the content, padded to an even size.
#include "deb/deb_file.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace aptward::deb {
namespace {

constexpr std::string_view kMagic = "!<arch>\n";
constexpr std::size_t kHeaderBytes = 60;
constexpr std::size_t kMostMembers = 64;  // guess: signed packages have about five

struct ArMember {
    std::string_view name, content;
};

tl::unexpected<Error> refuse(const std::string& why)
{
    return fail(Errc::malformed, "not a sound .deb: " + why);
}

// A field is its text and then blanks only.
std::string_view without_padding(std::string_view field)
{
    const std::size_t last = field.find_last_not_of(' ');
    return field.substr(0, last == field.npos ? 0 : last + 1);
}

bool is_member_name(std::string_view name)
{
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == '_';
    });
}

// Cuts the next member off the front of `rest`.
Result<ArMember> next_member(std::string_view& rest)
{
    if (rest.size() < kHeaderBytes || rest.substr(58, 2) != "`\n")
        return refuse("a member header is broken");
    std::string_view name = without_padding(rest.substr(0, 16));
    if (!name.empty() && name.back() == '/')  // as ar(1) writes it; dpkg-deb does not
        name.remove_suffix(1);
    if (!is_member_name(name))
        return refuse("\"" + printable(rest.substr(0, 16)) + "\" is no member name");
    // Decimal digits only: apt 2.1.12 and older read a minus sign and overflowed.
    const auto size = parse_number(without_padding(rest.substr(48, 10)));
    rest.remove_prefix(kHeaderBytes);
    if (!size || *size > rest.size())
        return refuse("the member " + std::string(name) + " has an impossible size");
    const ArMember member{name, rest.substr(0, static_cast<std::size_t>(*size))};
    rest.remove_prefix(member.content.size());
    // The last member of some writers lacks its padding.
    if (member.content.size() % 2 != 0 && !rest.empty()) {
        if (rest.front() != '\n' && rest.front() != '\0')
            return refuse("the padding of " + std::string(name) + " is missing");
        rest.remove_prefix(1);
    }
    return member;
}

/// ".xz" of "control.tar.xz" where `stem` is "control.tar"; nothing for other names.
std::optional<Compression> compression_after(std::string_view name, std::string_view stem)
{
    if (name.substr(0, stem.size()) != stem)
        return std::nullopt;
    const std::string_view suffix = name.substr(stem.size());
    if (suffix.empty())
        return Compression::none;
    for (const std::string_view known : {".gz", ".xz", ".zst", ".bz2", ".lzma"})
        if (suffix == known)
            return compression_of(name);
    return std::nullopt;
}

Result<void> check_format(const ArMember& member)
{
    if (member.name != "debian-binary")
        return refuse("its first member is not debian-binary");
    if (member.content.substr(0, 2) != "2." || member.content.size() > 100 ||
        member.content.find('\n') == member.content.npos)
        return refuse("its format is not version 2");
    return {};
}

Result<std::string> control_of(std::string_view packed, Compression compression)
{
    auto tar = decompress(packed, compression, kLargestControl);
    if (!tar)
        return tl::unexpected(std::move(tar).error().within("control.tar"));
    std::optional<std::string> control;
    std::string trouble;
    auto scanned = scan_tar(*tar, [&](const TarMember& member) {
        if (member.path != "control")
            return;
        if (control)
            trouble = "control.tar has two control files";
        else if (member.kind != TarMember::Kind::file)
            trouble = "control is not a file";
        else
            control = std::string(member.content);
    });
    if (!scanned)
        return tl::unexpected(std::move(scanned).error().within("control.tar"));
    if (!trouble.empty())
        return refuse(trouble);
    if (!control)
        return refuse("control.tar has no control file");
    return *std::move(control);
}

Result<void> read_control(DebFile& deb)
{
    auto fields = parse_single_paragraph(deb.control_text);
    if (!fields)
        return tl::unexpected(std::move(fields).error().within("control"));
    deb.control = *std::move(fields);
    for (const Field& field : deb.control) {
        if (equals_ignoring_case(field.name, "Package"))
            deb.package = field.value;
        else if (equals_ignoring_case(field.name, "Version"))
            deb.version = field.value;
        else if (equals_ignoring_case(field.name, "Architecture"))
            deb.architecture = field.value;
    }
    for (const std::string* value : {&deb.package, &deb.version, &deb.architecture})
        if (value->empty() || value->find_first_of("/ \n\t") != std::string::npos)
            return refuse("control lacks a usable Package, Version or Architecture");
    return {};
}

}  // namespace

std::string DebFile::usual_name() const
{
    const std::size_t colon = version.find(':');
    return package + "_" + version.substr(colon == std::string::npos ? 0 : colon + 1) + "_" +
           architecture + ".deb";
}

bool looks_like_deb(std::string_view bytes)
{
    return bytes.substr(0, kMagic.size()) == kMagic;
}

Result<void> read_deb(std::string_view bytes, DebFile& deb)
{
    if (!looks_like_deb(bytes))
        return refuse("it does not start as an ar file");
    bytes.remove_prefix(kMagic.size());
    std::optional<ArMember> control, data;
    Compression control_compression = Compression::none;
    for (std::size_t count = 0; !bytes.empty(); ++count) {
        if (count == kMostMembers)
            return refuse("it has too many members");
        TRY(const ArMember member, next_member(bytes));
        if (count == 0) {
            TRY_VOID(check_format(member));
            continue;
        }
        // Only one of each: dpkg takes the first, another reader might take the last.
        if (const auto as_control = compression_after(member.name, "control.tar")) {
            if (control || data)
                return refuse("control.tar comes twice or after data.tar");
            control = member;
            control_compression = *as_control;
        } else if (const auto as_data = compression_after(member.name, "data.tar")) {
            if (data || !control)
                return refuse("data.tar comes twice or before control.tar");
            data = member;
            deb.data_compression = *as_data;
        } else if (!data && member.name.front() != '_') {
            return refuse("the member " + std::string(member.name) + " does not belong there");
        }
    }
    if (!control || !data)
        return refuse("it lacks control.tar or data.tar");
    deb.data = data->content;
    TRY(deb.control_text, control_of(control->content, control_compression));
    return read_control(deb);
}

Result<void> scan_deb_data(const DebFile& deb, std::uint64_t limit_bytes,
                           const VisitTarMember& visit)
{
    if (deb.data_compression == Compression::none)
        return scan_tar(deb.data, visit);
    auto tar = decompress(deb.data, deb.data_compression, limit_bytes);
    if (!tar)
        return tl::unexpected(std::move(tar).error().within("data.tar"));
    return scan_tar(*tar, visit);
}

}  // namespace aptward::deb
