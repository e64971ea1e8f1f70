// SPDX-License-Identifier: GPL-3.0-or-later
// A journal gives the entries whose checksums hold, in their order, whatever stands between them,
// and loses nothing but a last line that has no end. Lines of the input that begin with '+' are
// written as entries, the others as they are: a checksum is never guessed.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "crypto/crypto.h"
#include "store/journal.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    std::string_view rest(reinterpret_cast<const char*>(bytes), size);
    std::string file;
    std::vector<std::string> written;
    std::size_t lines = 0;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        const bool has_end = end != rest.npos;
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(has_end ? end + 1 : rest.size());
        if (line.size() > 1 && line[0] == '+') {
            const std::string entry(line.substr(1));
            file += crypto::digest_of(entry).hex().substr(0, 16) + " " + entry;
            if (has_end)
                written.push_back(entry);
        } else {
            file += line;
        }
        file += has_end ? "\n" : "";
        lines += has_end;
    }
    const store::JournalText journal = store::parse_journal(file);
    CHECK(journal.whole_bytes <= file.size() &&
              file.find('\n', journal.whole_bytes) == std::string::npos &&
              (journal.whole_bytes == 0 || file[journal.whole_bytes - 1] == '\n'),
          "what is cut off has no line end");
    CHECK(journal.lines.size() == lines, "each line is accounted for");
    const std::vector<std::string> entries = store::entries_of(journal.lines);
    auto next = entries.begin();
    for (const std::string& entry : written) {
        next = std::find(next, entries.end(), entry);
        CHECK(next != entries.end(), "nothing that was acknowledged is lost");
        ++next;
    }
    return 0;
}
