// SPDX-License-Identifier: GPL-3.0-or-later
// A body reads the same however its bytes arrive, nothing behind its end is touched, and what was
// decoded is never longer than what came.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/chunked.h"

using namespace aptward::http;

namespace {

void require(bool holds)
{
    if (!holds)
        std::abort();
}

struct Outcome {
    bool is_fine = true, is_over = false;
    std::string body;
    std::size_t used = 0;
};

Outcome decode(std::string_view bytes, std::size_t step, std::size_t at_most)
{
    ChunkedDecoder decoder;
    Outcome outcome;
    std::size_t fed = 0;
    std::string waiting;
    while (!decoder.is_over() && (fed < bytes.size() || !waiting.empty())) {
        const std::string_view next = bytes.substr(fed, step);
        fed += next.size();
        waiting.append(next);
        std::string_view input = waiting;
        const std::size_t before = outcome.body.size();
        const auto done = decoder.decode(input, outcome.body, at_most);
        require(outcome.body.size() - before <= at_most);
        require(input.empty() || !done || decoder.is_over() ||
                outcome.body.size() - before == at_most);
        waiting = std::string(input);
        if (!done) {
            outcome.is_fine = false;
            return outcome;
        }
    }
    outcome.is_over = decoder.is_over();
    outcome.used = fed - waiting.size();
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const Outcome whole = decode(text, size + 1, size + 1);
    require(whole.body.size() <= size);
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}}) {
        const Outcome other = decode(text, step, 2);
        require(other.is_fine == whole.is_fine);
        if (!whole.is_fine)
            continue;
        require(other.is_over == whole.is_over && other.body == whole.body);
        require(!whole.is_over || other.used == whole.used);
    }
    return 0;
}
