-- SPDX-License-Identifier: GPL-3.0-or-later
-- For wrk: exact totals as one JSON line. The argument is how many requests go out in one piece.
function init(args)
    local depth = tonumber(args[1] or "1")
    if depth > 1 then
        local piece = string.rep(wrk.format(), depth)
        request = function() return piece end
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "bytes": %d, "seconds": %.6f, "p99_ms": %.6f, "broken": %d, "refused": %d}\n',
        summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(99) / 1e3,
        errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
