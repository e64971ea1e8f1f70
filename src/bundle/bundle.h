// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of bundle/: one file that carries releases, indexes and packages to where no network
// leads, signed by the node that made it. Written down in docs/formats/bundle.md.
//
// Nobody believes a bundle: what it carries is proven by the vendor's signatures inside it, as if
// it had come from a mirror. The node's own signature says who made it, when and for what.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "catalog/proof.h"
#include "store/private_marks.h"
#include "store/store.h"
#include "tlog/note.h"

namespace aptward::bundle {

// What a reader takes at most. A whole suite of Debian for one architecture is 63,000 packages.
inline constexpr std::size_t kMostMembers = 200'000;
inline constexpr std::uint64_t kMaxManifestBytes = 32 << 20;
/// A bundle may be so much ahead of the clock of the machine that reads it.
inline constexpr std::chrono::minutes kMaxAhead{10};

/// One file of a bundle: "blobs/sha256/HEX" or "releases/ID/InRelease".
struct Member {
    std::string name;
    Digest digest;                 ///< SHA-256 and size of its bytes.
    std::optional<Digest> sha512;  ///< Of a blob that its index lists by SHA-512 only.
    std::string path;              ///< Where it was listed, for people: "pool/h/hello.deb".
    /// It came to the maker for credentials of these archives, and is for no other; none: for all.
    std::vector<std::string> archives{};
    bool is_for(std::string_view archive) const;
};

struct BundledRelease {
    std::string archive, suite;
    std::string id;
    SystemTime date{};
};

struct Manifest {
    std::vector<std::string> packages;     ///< What was asked for; empty: all that was held.
    std::vector<BundledRelease> releases;  ///< By archive, suite, date.
    std::vector<std::string> missing;      ///< In words: what was wanted and not held.
    std::vector<Member> members;           ///< By name; in this order they are in the file.
    std::uint64_t total_bytes() const;     ///< Of the members.
    /// Null when there is none of this name.
    const Member* find(std::string_view name) const;
};
std::string to_json(const Manifest& manifest);
/// Fails with malformed for everything that a bundle of this version does not have: names of
/// another form, not in their order, over the limits. Pure.
Result<Manifest> parse_manifest(std::string_view json);

/// The text of the signed note in front of a bundle.
struct Heading {
    SystemTime created{};
    Digest manifest;
    std::string purpose;  ///< One line for people.
    std::string signer;   ///< The verifier key, in text.
};
std::string to_text(const Heading& heading);
/// Fails with malformed; for a bundle of a newer version it says so. Pure.
Result<Heading> parse_heading(std::string_view text);

std::string blob_name(const Digest& sha256);
std::string release_name(const std::string& id, std::string_view file);

/// Told how many bytes of the unpacked bundle are done; false stops: the call fails with stale.
using Progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

/// An opened bundle. Any one thread at a time.
class Reader {
public:
    /// Opens FILE, or FILE.001 and its followers, and reads note and manifest. Nothing else of it
    /// is believed before verify(). Fails with
    ///   not_found   when there is no such file
    ///   malformed   when it is no bundle, cut short, of a newer version or over a limit
    ///   untrusted   when its signature or its manifest is not what the note says
    ///   storage
    static Result<Reader> open(const std::filesystem::path& file);
    ~Reader();
    Reader(Reader&&) noexcept;
    Reader& operator=(Reader&&) noexcept;

    const Manifest& manifest() const;
    const Heading& heading() const;
    const tlog::VerifierKey& signer() const;
    std::uint64_t file_bytes() const;
    /// Of the unpacked bundle: the total of Progress.
    std::uint64_t stream_bytes() const;

    /// Reads every byte: nothing but what the manifest says, and all of it.
    /// Fails with malformed, untrusted, storage; stale when it was told to stop.
    Result<void> verify(const Progress& progress);

    /// The bytes of a member, in pieces; compared with its digest at the end, because the file may
    /// have changed since it was verified. Fails with untrusted, as verify(), and as `take` does.
    using Take = std::function<Result<void>(std::string_view bytes)>;
    Result<void> read(const Member& member, const Take& take);

    /// Some of a member's bytes from `offset` on, none at its end: at most a frame. Unchecked,
    /// and read anew from the file when `offset` is 0.
    /// Fails with malformed, storage.
    Result<std::string> read_some(const Member& member, std::uint64_t offset);

    /// The files of a release.
    Result<catalog::ReleaseFiles> files_of(const BundledRelease& release);

private:
    struct Opened;
    explicit Reader(std::unique_ptr<Opened> opened);
    std::unique_ptr<Opened> opened_;
};

/// Fails with stale when the bundle is from the future of `now`. Pure.
Result<void> check_time(const Heading& heading, SystemTime now);

/// `signers`: verifier keys in text, of whom one must have signed it; none: anybody may have.
/// Fails with untrusted, malformed for what is no key.
Result<void> check_signer(const Reader& reader, const std::vector<std::string>& signers);

/// What somebody wants in a bundle.
struct Request {
    struct Part {
        std::string archive;
        std::vector<std::string> suites;  ///< Empty: all of the archive that are served.
    };
    struct File {
        std::string archive, suite, path;  ///< As the suite's indexes list it.
    };
    std::vector<Part> parts;
    /// Of the packages only these; nothing: all that are held.
    std::optional<std::vector<File>> files;
    std::vector<std::string> packages;  ///< That were asked for by name.
    std::vector<std::string> brought;   ///< Those of them that are held.
    std::string whom;                   ///< Who needs them, in words; empty: the packages say it.
    std::vector<std::string> missing;   ///< In words: what is known not to be held.
};

/// What goes in, decided before a byte is written.
struct Plan {
    Manifest manifest;
    std::string purpose;
    std::map<std::string, std::string> texts;  ///< Bytes of the release files, by member name.
};
/// The current generations of the suites, their indexes and packages that are held.
/// Fails with not_found for an archive or suite that is not there, naming those that are; storage.
Result<Plan> plan(const catalog::Held& held, const store::Blobs& blobs,
                  const store::PrivateMarks& marks, const Request& request);

struct Output {
    std::filesystem::path file;
    std::uint64_t split_bytes = 0;  ///< FILE.001, FILE.002, ... of at most so many; 0: one file.
};
/// Writes the bundle beside its name and renames it when all of it is synced; on failure nothing is
/// left. Fails with not_found when something is not held any more or the folder is not there,
/// untrusted when a held file is damaged, malformed for what no bundle can hold and where nothing
/// may be written, storage.
Result<void> write(const Plan& plan, const store::Blobs& blobs, const tlog::SignerKey& signer,
                   SystemTime now, const Output& output, const Progress& progress);

}  // namespace aptward::bundle
