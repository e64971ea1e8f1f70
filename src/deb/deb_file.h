// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Reading a .deb: an ar file of debian-binary, control.tar.* and data.tar.* (deb(5)). Pure.
//
// A .deb is hostile until its digest is proven (A25; CVE-2020-3810, CVE-2020-27350), so every size
// is compared with what is there before a byte is taken or allocated, every field must be written
// as dpkg-deb writes it, and what two readers could read differently is refused (V40).

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "deb/deb.h"

namespace aptward::deb {

inline constexpr std::uint64_t kLargestControl = 64ULL << 20;   ///< Of control.tar, unpacked.
inline constexpr std::uint64_t kLargestTarItem = 128ULL << 30;  ///< What one member may claim.

/// What control.tar says, and where the content is.
struct DebFile {
    std::vector<Field> control;  ///< The names are views into `control_text`.
    std::string control_text;
    std::string package, version, architecture;  ///< Never empty.
    std::string_view data;  ///< data.tar as it lies in the file: a view into the caller's bytes.
    Compression data_compression = Compression::none;

    DebFile() = default;
    DebFile(DebFile&&) = delete;  // `control` would point into the one that was moved from
    DebFile& operator=(DebFile&&) = delete;

    /// The file name that dpkg-name and the archives give it: "apt_2.6.1_amd64.deb", without epoch.
    std::string usual_name() const;
};

/// Whether the bytes start as an ar file does: only then is read_deb worth a try.
bool looks_like_deb(std::string_view bytes);

/// Reads the frame and the control paragraph into `deb`; the content is not unpacked.
/// Fails with malformed. CPU bound by at most kLargestControl.
Result<void> read_deb(std::string_view bytes, DebFile& deb);

/// One member of a tar file.
struct TarMember {
    enum class Kind { file, directory, symlink, hardlink, device, fifo };
    std::string path;  ///< Without "./" and trailing slash; "" for the root itself.
    std::string link;  ///< Of symlinks as written; of hard links cleaned like `path`.
    Kind kind = Kind::file;
    std::uint64_t size_bytes = 0;
    std::string_view content;  ///< Of files, a view into the text.
};

/// Calls `visit` for every member in order: ustar with GNU long names and pax paths and sizes.
/// Fails with malformed for a path (or the target of a hard link) that is absolute or has "..",
/// a wrong checksum, a size that is negative, above kLargestTarItem or beyond the end, a missing
/// end, anything but zeros behind it. Members visited before a failure were whole. Pure.
using VisitTarMember = std::function<void(const TarMember&)>;
Result<void> scan_tar(std::string_view tar, const VisitTarMember& visit);

/// Unpacks the content, at most `limit_bytes` of it, and visits its members. CPU bound.
Result<void> scan_deb_data(const DebFile& deb, std::uint64_t limit_bytes,
                           const VisitTarMember& visit);

}  // namespace aptward::deb
