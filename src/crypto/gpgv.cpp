// SPDX-License-Identifier: GPL-3.0-or-later
// Verifies with gpgv, as the apt of Debian 12 does: the text and its signatures as two files, the
// keys as a binary keyring. What it found is in its status lines; its exit code is 0 for revoked
// keys and 2 for good files with one foreign signature (V12).
#include <sys/wait.h>

#include <algorithm>

#include "base/text.h"
#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

using Status = Signature::Status;

constexpr std::chrono::seconds kLimit{10};

// gpgv looks into its home directory only for a keyring named without a slash, and a directory
// that does not exist cannot be filled by anybody. A signature dated in the future is reported
// rather than refused here: the policy judges dates (V21).
std::vector<std::string> gpgv_arguments()
{
    std::vector<std::string> arguments{"--status-fd", "3", "--homedir", "/nonexistent",
                                       "--ignore-time-conflict"};
    for (const char* weak : {"MD5", "SHA1", "RIPEMD160"})  // V14
        arguments.insert(arguments.end(), {"--weak-digest", weak});
    arguments.insert(arguments.end(), {"--keyring", "@0", "--", "@1", "@2"});
    return arguments;
}

// BADSIG tells only the long key id; people and the evidence want the fingerprint. Key ids can be
// forged, so this names a key but decides nothing: only signatures that do not count get here.
void name_key(Signature& signature, const Keyring& keyring)
{
    if (signature.status == Status::good || signature.fingerprint.size() != 16)
        return;
    const auto key = std::find_if(keyring.keys.begin(), keyring.keys.end(), [&](const auto& known) {
        return known.fingerprint.size() == 40 &&
               equals_ignoring_case(known.fingerprint.substr(24), signature.fingerprint);
    });
    if (key == keyring.keys.end())
        return;
    signature.fingerprint = key->fingerprint;
    signature.primary = key->primary;
}

/// Lives as long as the node; verify() on any thread.
class Gpgv final : public OpenPgpEngine {
public:
    Gpgv(Spawner& spawner, std::string program) : spawner_(spawner), program_(std::move(program)) {}

    Result<std::vector<Signature>> verify(const SignedText& message,
                                          const Keyring& keyring) override;

private:
    Spawner& spawner_;
    const std::string program_;
};

Result<std::vector<Signature>> Gpgv::verify(const SignedText& message, const Keyring& keyring)
{
    TRY(const Spawner::Outcome outcome,
        spawner_.run(program_, gpgv_arguments(), {keyring.binary, message.signatures, message.text},
                     kLimit));
    if (outcome.exit_status == -1)
        return fail(Errc::unavailable,
                    program_ + " took longer than " + std::to_string(kLimit.count()) + " seconds");
    if (WIFSIGNALED(outcome.exit_status))
        return fail(Errc::unavailable, program_ + " was ended by signal " +
                                           std::to_string(WTERMSIG(outcome.exit_status)));
    if (outcome.output.empty())
        return fail(Errc::unavailable, program_ + " said nothing about the signatures");
    // A last line that was cut off could read as another one.
    if (outcome.output.back() != '\n')
        return fail(Errc::unavailable, program_ + " stopped in the middle of a line");
    std::vector<Signature> signatures = parse_gpgv_status(outcome.output);
    for (Signature& signature : signatures)
        name_key(signature, keyring);
    return signatures;
}

}  // namespace

std::unique_ptr<OpenPgpEngine> make_gpgv(Spawner& spawner, std::string program)
{
    return std::make_unique<Gpgv>(spawner, std::move(program));
}

}  // namespace aptward::crypto
