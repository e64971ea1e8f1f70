// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Files of an archive that carry a signature of their own: NAME and NAME.gpg, kept as one unit, so
// that a client never gets the one of yesterday with the other of today. Private to archive/.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "archive/archive.h"

namespace aptward::archive {

/// A file that a key of the archive vouches for. Its bytes are a blob.
struct SignedFile {
    Digest digest;
    std::string signature;  ///< The bytes of NAME.gpg
    SystemTime signed_at{};
    fetch::SourcePtr source;
};

/// What looking for a signed file gave.
struct SignedOutcome {
    std::shared_ptr<const SignedFile> file;  ///< Perhaps of an earlier time, when sources fail.
    bool is_absent = false;                  ///< Every source answered that it has no NAME.gpg.
    std::string code, message;               ///< Why there is none.
};

/// Lives on the control loop; what it gives out is immutable.
class SignedFiles {
public:
    SignedFiles(const Archive& archive, Services& services)
        : archive_(archive), settings_(archive.settings()), services_(services)
    {
    }

    /// `path`: of NAME, normalised. `policy`: who must have signed. Joins a look-up that runs; what
    /// is held waits at most 1 s for it. `owner` keeps this object alive while the look-up goes on.
    http::Async<void> get(std::string path, trust::Policy policy,
                          std::shared_ptr<SignedOutcome> outcome, std::shared_ptr<void> owner);

private:
    struct Entry {
        std::shared_ptr<const SignedFile> file;
        SteadyTime checked{};
        SignedOutcome last;
        bool is_asking = false;
        bool is_recalled = false;  // what earlier processes saw of it is in `newest`
        SystemTime newest{};       // signature of all that was accepted
        std::vector<std::shared_ptr<http::Signal>> waiting;
    };
    /// One source's NAME.gpg.
    struct Shown {
        fetch::SourcePtr source;
        std::string signature;
    };
    struct Gathering {
        std::shared_ptr<http::Signal> signal;
        std::deque<Shown> shown;
        std::size_t pending = 0, missing = 0;
        std::string last_error;
    };

    http::Async<void> look_up(std::string path, trust::Policy policy, std::shared_ptr<Entry> entry,
                              std::shared_ptr<void> owner);
    http::Async<void> recall(std::string path, std::shared_ptr<Entry> entry);
    http::Async<void> accept(std::string path, std::shared_ptr<Entry> entry,
                             std::shared_ptr<const SignedFile> file);
    http::Async<void> ask(std::string path, trust::Policy policy, std::shared_ptr<Entry> entry);
    static http::Async<void> ask_signature(fetch::Fetcher& fetcher, std::string archive,
                                           fetch::SourcePtr source, std::string path,
                                           std::shared_ptr<Gathering> gathering);
    http::Task<std::shared_ptr<const SignedFile>> try_source(std::string path, Shown shown,
                                                             trust::Policy policy);

    const Archive& archive_;
    const ArchiveSettings& settings_;
    Services& services_;
    std::map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace aptward::archive
