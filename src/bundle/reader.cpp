// SPDX-License-Identifier: GPL-3.0-or-later
// Reading a bundle. Where everything has to be follows from the sizes in its note and its manifest;
// what is found there is compared, never interpreted.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "bundle/bundle.h"
#include "bundle/frames.h"
#include "bundle/layout.h"
#include "bundle/parts.h"
#include "bundle/tar_header.h"
#include "crypto/crypto.h"

namespace aptward::bundle {
namespace {

/// The unpacked stream, with the frame that was read last.
class Stream {
public:
    static Result<Stream> open(PartsReader parts)
    {
        std::string footer(std::min<std::uint64_t>(kFooterBytes, parts.size_bytes()), '\0');
        TRY_VOID(parts.read_at(footer, parts.size_bytes() - footer.size()));
        TRY(const std::uint64_t table_bytes, SeekTable::size_from(footer));
        if (table_bytes > parts.size_bytes())
            return fail(Errc::malformed, "the table at its end is cut short");
        std::string table(table_bytes, '\0');
        TRY_VOID(parts.read_at(table, parts.size_bytes() - table_bytes));
        TRY(SeekTable parsed, SeekTable::parse(table, parts.size_bytes()));
        return Stream(std::move(parts), std::move(parsed));
    }

    std::uint64_t size_bytes() const { return table_.stream_bytes(); }
    std::uint64_t file_bytes() const { return parts_.size_bytes(); }

    /// What is there at `offset`: at least a byte and at most `most`; valid until the next call.
    Result<std::string_view> some_at(std::uint64_t offset, std::uint64_t most)
    {
        if (offset >= size_bytes())
            return fail(Errc::malformed, "it ends too early");
        const Frame& frame = table_.at(offset);
        if (unpacked_.empty() || frame.from != from_) {
            std::string packed(frame.packed_bytes, '\0');
            TRY_VOID(parts_.read_at(packed, frame.at));
            TRY(unpacked_, unpack_frame(packed, frame.bytes));
            from_ = frame.from;
        }
        const std::string_view rest = std::string_view(unpacked_).substr(offset - from_);
        return rest.substr(0, std::min<std::uint64_t>(rest.size(), most));
    }

    /// What was read last: the file may have changed since.
    void forget() { unpacked_.clear(); }

    Result<std::string> read(std::uint64_t offset, std::uint64_t size)
    {
        std::string bytes;
        while (bytes.size() < size) {
            TRY(const std::string_view some, some_at(offset + bytes.size(), size - bytes.size()));
            bytes += some;
        }
        return bytes;
    }

private:
    Stream(PartsReader parts, SeekTable table) : parts_(std::move(parts)), table_(std::move(table))
    {
    }

    PartsReader parts_;
    SeekTable table_;
    std::string unpacked_;
    std::uint64_t from_ = 0;  // of unpacked_ in the stream
};

// Who it is follows from the note itself: nobody has to know the key beforehand to see that the
// note is whole. Whether to believe that signer is another question.
Result<tlog::VerifierKey> check_signature(const tlog::Note& note, const Heading& heading)
{
    TRY(auto key, tlog::VerifierKey::parse(heading.signer));
    TRY_VOID(tlog::verify(note, {key}));
    return key;
}

}  // namespace

struct Reader::Opened {
    Stream stream;
    std::string note_text, manifest_text;
    Heading heading;
    Manifest manifest;
    tlog::VerifierKey signer;
    Layout layout;

    static Result<std::unique_ptr<Opened>> open(PartsReader parts);
    Result<void> expect(std::uint64_t at, std::string_view wanted, const char* what);
    Result<void> expect_front();
    Result<void> expect_member(std::size_t number);
    Result<void> read(std::size_t number, const Take& take);
    std::size_t number_of(const Member& member) const;
};

Result<std::unique_ptr<Reader::Opened>> Reader::Opened::open(PartsReader parts)
{
    TRY(Stream stream, Stream::open(std::move(parts)));
    TRY(const std::string first, stream.read(0, kTarBlock));
    TRY(const std::uint64_t note_bytes, size_in_tar_header(first, kNoteName));
    if (note_bytes > tlog::kMaxNoteBytes)
        return fail(Errc::malformed, "its note is too large");
    TRY(std::string note_text, stream.read(kTarBlock, note_bytes));
    TRY(const tlog::Note note, tlog::parse_note(note_text));
    TRY(Heading heading, parse_heading(note.text));
    TRY(tlog::VerifierKey signer, check_signature(note, heading));
    const Layout front(note_bytes, Manifest(), heading.manifest.size_bytes);
    TRY(std::string manifest_text, stream.read(front.manifest_at(), heading.manifest.size_bytes));
    if (crypto::digest_of(manifest_text) != heading.manifest)
        return fail(Errc::untrusted, "its manifest is not the one that was signed");
    TRY(Manifest manifest, parse_manifest(manifest_text));
    Layout layout(note_bytes, manifest, manifest_text.size());
    if (layout.stream_bytes() != stream.size_bytes())
        return fail(Errc::malformed, "it has another size than its manifest says");
    return std::make_unique<Opened>(
        Opened{std::move(stream), std::move(note_text), std::move(manifest_text),
               std::move(heading), std::move(manifest), std::move(signer), std::move(layout)});
}

Result<void> Reader::Opened::expect(std::uint64_t at, std::string_view wanted, const char* what)
{
    while (!wanted.empty()) {
        TRY(const std::string_view some, stream.some_at(at, wanted.size()));
        if (some != wanted.substr(0, some.size()))
            return fail(Errc::untrusted, fmt::format("{} is not what was signed", what));
        at += some.size();
        wanted.remove_prefix(some.size());
    }
    return {};
}

Result<void> Reader::Opened::expect_front()
{
    const std::string note = make_tar_header(kNoteName, note_text.size(), heading.created) +
                             note_text + std::string(tar_padding(note_text.size()), '\0');
    TRY_VOID(expect(0, note, "its beginning"));
    const std::string header =
        make_tar_header(kManifestName, manifest_text.size(), heading.created);
    TRY_VOID(expect(layout.manifest_at() - kTarBlock, header, "what leads to its manifest"));
    return expect(layout.manifest_at() + manifest_text.size(),
                  std::string(tar_padding(manifest_text.size()), '\0'), "what fills up");
}

Result<void> Reader::Opened::expect_member(std::size_t number)
{
    const Member& member = manifest.members[number];
    const std::uint64_t at = layout.member_at(number), size = member.digest.size_bytes;
    TRY_VOID(expect(at - kTarBlock, make_tar_header(member.name, size, heading.created),
                    "what leads to a member"));
    TRY_VOID(read(number, [](std::string_view) { return Result<void>(); }));
    return expect(at + size, std::string(tar_padding(size), '\0'), "what fills up");
}

Result<void> Reader::Opened::read(std::size_t number, const Take& take)
{
    const Member& member = manifest.members[number];
    crypto::Hasher sha256, sha512(HashAlgorithm::sha512);
    std::uint64_t left = member.digest.size_bytes;
    for (std::uint64_t at = layout.member_at(number); left > 0;) {
        TRY(const std::string_view some, stream.some_at(at, left));
        sha256.update(some);
        if (member.sha512)
            sha512.update(some);
        at += some.size();
        left -= some.size();
        TRY_VOID(take(some));
    }
    if (sha256.digest() != member.digest || (member.sha512 && sha512.digest() != *member.sha512))
        return fail(Errc::untrusted, member.name + " is not what its manifest says");
    return {};
}

std::size_t Reader::Opened::number_of(const Member& member) const
{
    const Member* known = manifest.find(member.name);
    CHECK(known != nullptr, "members are taken from the manifest");
    return static_cast<std::size_t>(known - manifest.members.data());
}

Reader::Reader(std::unique_ptr<Opened> opened) : opened_(std::move(opened)) {}
Reader::~Reader() = default;
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;

Result<Reader> Reader::open(const std::filesystem::path& file)
{
    TRY(PartsReader parts, PartsReader::open(file));
    std::string where = file.string();
    if (parts.count() > 1)
        where += fmt::format(" (in {} pieces)", parts.count());
    auto opened = Opened::open(std::move(parts));
    if (!opened)
        return tl::unexpected<Error>(
            std::move(opened).error().within(where + " is no whole bundle"));
    return Reader(std::move(*opened));
}

const Manifest& Reader::manifest() const
{
    return opened_->manifest;
}

const Heading& Reader::heading() const
{
    return opened_->heading;
}

const tlog::VerifierKey& Reader::signer() const
{
    return opened_->signer;
}

std::uint64_t Reader::file_bytes() const
{
    return opened_->stream.file_bytes();
}

std::uint64_t Reader::stream_bytes() const
{
    return opened_->layout.stream_bytes();
}

Result<void> Reader::verify(const Progress& progress)
{
    TRY_VOID(opened_->expect_front());
    for (std::size_t number = 0; number < manifest().members.size(); ++number) {
        if (!progress(opened_->layout.member_at(number), stream_bytes()))
            return fail(Errc::stale, "it was told to stop");
        TRY_VOID(opened_->expect_member(number));
    }
    TRY_VOID(opened_->expect(opened_->layout.end_at(), std::string(kTarEnd, '\0'), "its end"));
    progress(stream_bytes(), stream_bytes());
    return {};
}

Result<void> Reader::read(const Member& member, const Take& take)
{
    return opened_->read(opened_->number_of(member), take);
}

Result<std::string> Reader::read_some(const Member& member, std::uint64_t offset)
{
    const std::uint64_t size = member.digest.size_bytes;
    if (offset >= size)
        return std::string();
    if (offset == 0)
        opened_->stream.forget();
    const std::uint64_t at = opened_->layout.member_at(opened_->number_of(member)) + offset;
    TRY(const std::string_view some, opened_->stream.some_at(at, size - offset));
    return std::string(some);
}

Result<catalog::ReleaseFiles> Reader::files_of(const BundledRelease& release)
{
    catalog::ReleaseFiles files;
    for (const auto& [name, text] :
         {std::pair("InRelease", &files.inrelease), std::pair("Release", &files.release),
          std::pair("Release.gpg", &files.release_gpg)}) {
        const Member* member = manifest().find(release_name(release.id, name));
        if (member == nullptr)
            continue;
        if (member->digest.size_bytes > crypto::kMaxReleaseBytes)
            return fail(Errc::malformed, member->name + " is too large");
        TRY_VOID(read(*member, [into = text](std::string_view bytes) {
            *into += bytes;
            return Result<void>();
        }));
    }
    return files;
}

Result<void> check_signer(const Reader& reader, const std::vector<std::string>& signers)
{
    for (const std::string& signer : signers) {
        TRY(const tlog::VerifierKey key, tlog::VerifierKey::parse(signer));
        if (key == reader.signer())
            return {};
    }
    if (signers.empty())
        return {};
    return fail(Errc::untrusted, "it is signed by " + reader.signer().to_string() +
                                     ", which is none of the keys that --signed-by names");
}

}  // namespace aptward::bundle
