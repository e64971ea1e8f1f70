// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A bundle that is read where it lies: one more source, whose bytes are hashed like any other's on
// their way into the store (docs/decisions/0020-bundles.md).

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "base/pool.h"
#include "bundle/bundle.h"
#include "fetch/source.h"

namespace aptward::archive {

/// Outlives the sources that it gives. Any thread.
class Shelf {
public:
    /// From now on its blobs are to be had; another one takes the place of the one before.
    void put(std::shared_ptr<bundle::Reader> reader, const std::string& name);

    /// The source that has these bytes for this archive; null when there is none.
    fetch::SourcePtr source_of(const Digest& digest, std::string_view archive) const;

    /// Ends its thread, before what it calls back goes.
    void stop() { thread_.stop(WorkerPool::Queued::drop); }

private:
    struct Stock;
    void read(const std::shared_ptr<const Stock>& stock, const Digest& digest, std::uint64_t offset,
              fetch::TookPiece took);

    std::atomic<std::shared_ptr<const Stock>> stock_;
    WorkerPool thread_{1};  // a reader is any one thread's at a time
};

}  // namespace aptward::archive
