// SPDX-License-Identifier: GPL-3.0-or-later
// A manifest that is read is written as one that reads the same: undo finds each file again.
#include <cstdint>

#include "base/check.h"
#include "node/client_manifest.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const auto manifest = node::parse_client_manifest(text);
    if (!manifest)
        return 0;
    const auto written = node::to_json(*manifest);
    CHECK(written, "what was JSON can be JSON");
    const auto again = node::parse_client_manifest(*written);
    CHECK(again && node::to_json(*again) == *written, "it is written as it reads");
    CHECK(again->nodes == manifest->nodes && again->tunnels_https == manifest->tunnels_https &&
              again->rewritten.size() == manifest->rewritten.size(),
          "the same values");
    for (const node::ClientFile& file : manifest->files) {
        const node::ClientFile* found = again->find(file.path);
        CHECK(found != nullptr, "each file is found");
        const node::ClientFile* first = manifest->find(file.path);
        CHECK(found->original == first->original && found->mode == first->mode &&
                  found->user == first->user && found->group == first->group &&
                  found->written_hex == first->written_hex,
              "with what it was");
    }
    return 0;
}
