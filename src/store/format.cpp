// SPDX-License-Identifier: GPL-3.0-or-later
// Which version of the layout a state folder has. Raised only when an older program would misread
// what a newer one wrote; what an older one would merely ignore (new kinds of journal entries, new
// files) does not raise it. docs/formats/store.md.
#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "store/store.h"

namespace aptward::store {

Result<void> check_format(const std::filesystem::path& state)
{
    const auto file = state / "format";
    auto text = read_file(file, 64);
    if (!text && text.error().code() == Errc::not_found) {
        // Also the folders of before there was this file: they have layout 1.
        const auto written = write_file_durably(file, fmt::format("{}\n", kStateFormat));
        if (!written)  // a full disk; the next start tries again
            log_warning("state.unwritable", {}, written.error().message());
        return {};
    }
    if (!text)
        return tl::unexpected<Error>(text.error());
    if (text->ends_with('\n'))
        text->pop_back();
    const auto format = parse_number<int>(*text);
    if (!format || *format < 1)
        return fail(Errc::malformed,
                    fmt::format("{} does not hold the number of a format; restore it (this program "
                                "writes {}), or give the node a state folder of its own",
                                file.string(), kStateFormat));
    if (*format > kStateFormat)
        return fail(Errc::malformed,
                    fmt::format("{} was written by a newer aptward (format {}, this one knows {}); "
                                "start that version, or give this one a state folder of its own",
                                state.string(), *format, kStateFormat));
    return {};
}

}  // namespace aptward::store
