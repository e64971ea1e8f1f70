// SPDX-License-Identifier: GPL-3.0-or-later
// Writing a bundle: the tar goes through frames into pieces, nothing of it is kept in memory.
#include <fmt/format.h>

#include "bundle/bundle.h"
#include "bundle/frames.h"
#include "bundle/layout.h"
#include "bundle/parts.h"
#include "bundle/tar_header.h"
#include "crypto/crypto.h"

namespace aptward::bundle {
namespace {

// Nearly all that comes is packed already: .deb, .xz.
constexpr int kLevel = 1;
constexpr std::size_t kReadBytes = 256 * 1024;
// A member of this size begins a frame, so that reading it unpacks nothing else.
constexpr std::uint64_t kLargeMember = 256 * 1024;

/// The tar, cut into frames.
class StreamWriter {
public:
    explicit StreamWriter(PartsWriter parts) : parts_(std::move(parts)) {}

    Result<void> add(std::string_view bytes)
    {
        stream_bytes_ += bytes.size();
        while (!bytes.empty()) {
            const std::string_view some = bytes.substr(0, kFrameBytes - waiting_.size());
            waiting_ += some;
            bytes.remove_prefix(some.size());
            if (waiting_.size() == kFrameBytes)
                TRY_VOID(end_frame());
        }
        return {};
    }

    Result<void> begin_member(std::string_view name, std::uint64_t size_bytes, SystemTime time)
    {
        if (size_bytes >= kLargeMember)
            TRY_VOID(end_frame());
        return add(make_tar_header(name, size_bytes, time));
    }

    Result<void> end_member(std::uint64_t size_bytes)
    {
        return add(std::string(tar_padding(size_bytes), '\0'));
    }

    Result<void> finish()
    {
        TRY_VOID(add(std::string(kTarEnd, '\0')));
        TRY_VOID(end_frame());
        TRY_VOID(parts_.write(table_.to_bytes()));
        return parts_.finish();
    }

    std::uint64_t stream_bytes() const { return stream_bytes_; }

private:
    Result<void> end_frame()
    {
        if (waiting_.empty())
            return {};
        if (table_.frames().size() == kMostFrames)
            return fail(Errc::malformed, "it is too large for one bundle");
        const std::string packed = pack_frame(waiting_, kLevel);
        table_.add(packed.size(), waiting_.size());
        waiting_.clear();
        return parts_.write(packed);
    }

    PartsWriter parts_;
    SeekTable table_;
    std::string waiting_;
    std::uint64_t stream_bytes_ = 0;
};

/// One pass over what goes in, told how far it is.
class Packer {
public:
    Packer(const Plan& plan, const store::Blobs& blobs, const Progress& progress,
           std::uint64_t total, SystemTime time, StreamWriter& stream)
        : plan_(plan),
          blobs_(blobs),
          progress_(progress),
          total_(total),
          time_(time),
          stream_(stream)
    {
    }

    Result<void> add_text(std::string_view name, std::string_view text)
    {
        TRY_VOID(stream_.begin_member(name, text.size(), time_));
        TRY_VOID(stream_.add(text));
        return stream_.end_member(text.size());
    }

    Result<void> add(const Member& member)
    {
        const auto text = plan_.texts.find(member.name);
        if (text != plan_.texts.end())
            return add_text(member.name, text->second);
        return add_blob(member);
    }

private:
    Result<void> add_blob(const Member& member)
    {
        auto file = blobs_.read(member.digest);
        if (!file)
            return tl::unexpected<Error>(std::move(file).error().within(member.path));
        TRY_VOID(stream_.begin_member(member.name, member.digest.size_bytes, time_));
        crypto::Hasher hasher;
        std::string buffer;
        while (hasher.size_bytes() < member.digest.size_bytes) {
            buffer.resize(std::min<std::uint64_t>(kReadBytes,
                                                  member.digest.size_bytes - hasher.size_bytes()));
            TRY_VOID(read_all_at(file->get(), buffer, hasher.size_bytes()));
            hasher.update(buffer);
            TRY_VOID(stream_.add(buffer));
            if (!progress_(stream_.stream_bytes(), total_))
                return fail(Errc::stale, "it was told to stop");
        }
        if (hasher.digest() != member.digest)
            return fail(Errc::untrusted, member.path +
                                             " is held, but damaged: run aptward scrub, "
                                             "and fetch it again");
        return stream_.end_member(member.digest.size_bytes);
    }

    const Plan& plan_;
    const store::Blobs& blobs_;
    const Progress& progress_;
    const std::uint64_t total_;
    const SystemTime time_;
    StreamWriter& stream_;
};

}  // namespace

Result<void> write(const Plan& plan, const store::Blobs& blobs, const tlog::SignerKey& signer,
                   SystemTime now, const Output& output, const Progress& progress)
{
    const std::string manifest = to_json(plan.manifest);
    // What a reader would refuse is not written.
    auto readable = parse_manifest(manifest);
    if (!readable)
        return tl::unexpected<Error>(std::move(readable).error().within("no bundle can hold this"));
    const Heading heading{now, crypto::digest_of(manifest), plan.purpose,
                          signer.verifier().to_string()};
    const std::string note = tlog::to_string(signer.sign(to_text(heading)));
    const Layout layout(note.size(), plan.manifest, manifest.size());
    TRY(PartsWriter parts, PartsWriter::open(output.file, output.split_bytes));
    StreamWriter stream(std::move(parts));
    Packer packer(plan, blobs, progress, layout.stream_bytes(), now, stream);
    TRY_VOID(packer.add_text(kNoteName, note));
    TRY_VOID(packer.add_text(kManifestName, manifest));
    for (const Member& member : plan.manifest.members)
        TRY_VOID(packer.add(member));
    return stream.finish();
}

}  // namespace aptward::bundle
