-- SPDX-License-Identifier: GPL-3.0-or-later
-- For wrk: asks for one path after the other of a file of paths, each thread from another one on.
local paths, next_path = {}, 0

function init(args)
    for line in io.lines(args[1]) do paths[#paths + 1] = line end
    next_path = tonumber(args[2])
end

function request()
    next_path = next_path % #paths + 1
    return wrk.format("GET", paths[next_path])
end

function done(summary)
    io.write(string.format('{"bytes": %d, "seconds": %.6f, "refused": %d}\n', summary.bytes, summary.duration / 1e6,
        summary.errors.status))
end
