// SPDX-License-Identifier: GPL-3.0-or-later
// V12: nothing but GOODSIG with VALIDSIG of the same key is ever good.
#include "base/check.h"
#include "crypto/crypto.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size)
{
    const std::string lines(bytes, bytes + size);
    for (const crypto::Signature& signature : crypto::parse_gpgv_status(lines)) {
        if (signature.status != crypto::Signature::Status::good)
            continue;
        CHECK(signature.fingerprint.size() == 40 && signature.primary.size() == 40,
              "a good signature has whole fingerprints");
        CHECK(lines.find("[GNUPG:] VALIDSIG") != std::string::npos &&
                  lines.find("[GNUPG:] GOODSIG") != std::string::npos,
              "both lines are there, at a line's start");
    }
    return 0;
}
