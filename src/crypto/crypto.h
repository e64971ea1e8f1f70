// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of crypto/: hashing, the strict clearsign splitter, keyrings, and the OpenPGP engine.
// Rules V1 to V21 are cited where they are kept; policy (who is trusted) is in trust/.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"

namespace aptward::crypto {

/// Hashes a stream. One object, one stream, any one thread at a time.
class Hasher {
public:
    explicit Hasher(HashAlgorithm algorithm = HashAlgorithm::sha256);
    ~Hasher();
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;

    void update(std::string_view bytes);
    std::uint64_t size_bytes() const { return size_bytes_; }

    /// The digest of everything so far. The hasher can go on (the state is copied).
    Digest digest() const;

private:
    struct State;
    std::unique_ptr<State> state_;
    std::uint64_t size_bytes_ = 0;
};

Digest digest_of(std::string_view bytes, HashAlgorithm algorithm = HashAlgorithm::sha256);

/// A digest of a secret that is slow to guess from (some 20 ms): PBKDF2-HMAC-SHA-256. Pure; call
/// on a worker. Spec: RFC 8018 5.2.
std::string slow_digest(std::string_view secret, std::string_view salt);

/// Bytes that nobody can foresee, in hexadecimal.
std::string random_hex(std::size_t bytes);

/// Decodes base64 with its padding; whole groups of four only. Nothing for anything else. Pure.
/// Spec: RFC 4648 4.
std::optional<std::string> decode_base64(std::string_view text);

/// The base64 of any bytes, padded, on one line. Pure.
std::string encode_base64(std::string_view bytes);

/// Largest Release, InRelease or Release.gpg that is looked at (V1).
inline constexpr std::uint64_t kMaxReleaseBytes = 10'000'000;

/// What the signature of a Release covers, and the signatures themselves.
struct SignedText {
    std::string text;        ///< Canonical signed text: exactly the bytes the signature covers,
                             ///< lines joined by LF, as a detached verification wants them.
    std::string signatures;  ///< Armoured PGP SIGNATURE blocks, one after the other.
};

/// Splits an InRelease as strictly as apt or more so (V1 to V8).
/// Fails with malformed for everything that is not exactly one clear-signed message; the message
/// of an HTML page or other unsigned answer says "not a signed message". Stricter than V5 and V7:
/// at most 64 signatures, 16 KiB to a line, no CR inside a line (gpgv hashes 19,994 bytes of one).
/// Pure. Spec: RFC 4880 7; apt-pkg/contrib/gpgv.cc.
Result<SignedText> split_clearsigned(std::string_view bytes);

/// Takes a Release and its Release.gpg as one unit (V9, V10): only armoured signature blocks.
/// The text is taken as it is. Pure.
Result<SignedText> join_detached(std::string_view release, std::string_view release_gpg);

/// The same for a file of any bytes and the detached signature beside it (NAME and NAME.gpg).
Result<SignedText> join_file(std::string bytes, std::string_view signature);

/// One primary key or subkey of a keyring.
struct PublicKey {
    std::string fingerprint;  ///< 40 (v4) upper-case hexadecimal digits.
    std::string primary;      ///< The primary key's; equal to fingerprint for a primary key.
    int algorithm = 0;        ///< RFC 4880 9.1 and successors: 1 RSA, 17 DSA, 19 ECDSA, 22 EdDSA.
    int bits = 0;             ///< RSA modulus, curve size; 0 for what V15 does not name.
    SystemTime created{};
    std::string user_id;  ///< First user id of the primary key, for people.
    /// What its newest self-signature says; nothing checks that signature here. For forewarning
    /// only: whether a key counts today is the engine's word.
    std::optional<SystemTime> expires;
    bool may_sign = true;
};

/// Keys merged out of several files into the one binary form that gpgv reads (V16, V19).
struct Keyring {
    std::string binary;           ///< Transferable public keys, not armoured.
    std::vector<PublicKey> keys;  ///< All primary keys and subkeys in it.
    std::string sha256_hex;       ///< Of `binary`: part of the name of cached verifications.

    /// The key with this fingerprint (40 hex digits), or null.
    const PublicKey* find(std::string_view fingerprint) const;
};

/// Parses a keyring in binary or ASCII armour. Fails with malformed. Pure.
Result<Keyring> parse_keyring(std::string_view bytes);

/// Reads and merges keyring files (.gpg, .asc). An embedded (inline) key is parsed by
/// parse_keyring. Fails with not_found, malformed, naming the file.
Result<Keyring> load_keyrings(const std::vector<std::filesystem::path>& files);

Keyring merge_keyrings(const std::vector<Keyring>& parts);

/// When nothing of this primary key can sign any more, as the keyring has it: its own end, or that
/// of the last of its keys that may sign. Nothing: it has no end, or is not in the keyring. Pure.
std::optional<SystemTime> signing_ends(const Keyring& keyring, std::string_view primary);

/// What the engine says about one signature. Facts only; trust/ judges them.
struct Signature {
    enum class Status {
        good,         ///< GOODSIG and VALIDSIG of the same key, nothing against it.
        bad,          ///< BADSIG: of a known key, over other bytes.
        expired,      ///< The signature or its key is expired (EXPSIG, EXPKEYSIG).
        revoked,      ///< REVKEYSIG.
        unknown_key,  ///< NO_PUBKEY: nothing can be said.
        error,        ///< ERRSIG for another reason, or statuses that contradict each other.
    };
    Status status = Status::error;
    std::string fingerprint;  ///< Of the signing (sub)key; only a key id when it is unknown.
    std::string primary;      ///< Of the primary key; empty when unknown.
    int hash_algorithm = 0;   ///< RFC 4880 9.4: 8 SHA-256, 9 SHA-384, 10 SHA-512.
    int key_algorithm = 0;
    /// Over the bytes as they are (class 00). A signature of text (01) covers neither blanks at the
    /// end of a line nor what gpgv leaves out of a long one: no more than lines, then.
    bool is_binary = false;
    SystemTime created{};
};

/// Verifies signatures. Implemented by Gpgv; a second engine may come (sqv).
class OpenPgpEngine {
public:
    virtual ~OpenPgpEngine() = default;

    /// One entry per signature, in the order of the engine's report.
    /// Blocks up to 10 s; call on a worker. Any thread.
    /// Fails with unavailable when the engine is missing, hangs or crashes (R13).
    virtual Result<std::vector<Signature>> verify(const SignedText& message,
                                                  const Keyring& keyring) = 0;
};

/// Reads gpgv's --status-fd lines (V12, V14). Never the exit code. Pure.
/// Spec: GnuPG doc/DETAILS, "General status codes".
std::vector<Signature> parse_gpgv_status(std::string_view lines);

/// What a confined child may do beside the usual.
struct Allowance {
    std::size_t most_output_bytes = 1'000'000;  ///< gpgv writes under 1 kB for each signature.
    /// It may create files, though change none: for programs that keep to see_only().
    bool creates_files = false;
};

/// Runs programs on hostile bytes in confined children: no network, no environment, limits on
/// memory, file size and time. Forked by start() before any thread exists, so that later forks
/// copy a small single-threaded process.
class Spawner {
public:
    struct Outcome {
        int exit_status = -1;  ///< As from waitpid; -1 when it was killed for taking too long.
        std::string output;    ///< What it wrote on the status descriptor (number 3).
    };

    /// Before the first thread is created. Fails with storage.
    static Result<std::unique_ptr<Spawner>> start();
    ~Spawner();
    Spawner(const Spawner&) = delete;
    Spawner& operator=(const Spawner&) = delete;

    /// Runs `program` with `arguments`. `inputs` are handed over as sealed memory files: an
    /// argument "@0", "@1", ... is replaced by the path of that input inside the child.
    /// Blocks up to `limit`, which is also how long it may compute. Any thread. Fails with
    /// unavailable.
    Result<Outcome> run(const std::string& program, const std::vector<std::string>& arguments,
                        const std::vector<std::string_view>& inputs, std::chrono::seconds limit,
                        const Allowance& allowance = {});

private:
    struct Pipe;
    explicit Spawner(std::unique_ptr<Pipe> pipe);
    std::unique_ptr<Pipe> pipe_;
};

/// From now on this process opens nothing but what is below `folder` and the system's libraries,
/// and creates files below `folder` only (Landlock). It cannot be undone, and programs started from
/// it inherit it. For a process with one thread. Fails with unavailable where the kernel cannot.
Result<void> see_only(const std::filesystem::path& folder);

/// gpgv as a confined child process, detached form, `--weak-digest SHA1 --weak-digest RIPEMD160`.
/// `program` is the path of gpgv. `spawner` outlives the engine.
std::unique_ptr<OpenPgpEngine> make_gpgv(Spawner& spawner, std::string program = "/usr/bin/gpgv");

}  // namespace aptward::crypto
