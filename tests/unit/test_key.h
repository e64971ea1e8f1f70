// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace aptward {

/// Of an archive that nobody has: Ed25519 primary key and Curve25519 subkey, made with gpg.
inline constexpr const char* kTestKey = R"(-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZZIAgBYJKwYBBAHaRw8BAQdA6Ub5/n3cq/2j//g02tVNwZ21HnM/0LSGtqz7
O5Y5MH60H1Rlc3QgQXJjaGl2ZSA8dGVzdEBleGFtcGxlLm9yZz6IkAQTFggAOBYh
BNWXQ3Mkr5k2zSh8XCYylJVsGDXjBQJlkgCAAhsDBQsJCAcCBhUKCQgLAgQWAgMB
Ah4BAheAAAoJECYylJVsGDXjmm0A/iirbssUA7kjtbw2lqTS2Ucj2uPPR1d4cX60
qYwcEae7AP0Urj5KJ36PiDmIJjMqlnPnejxbkdiYkVmEwOy8wTnaDbg4BGWSAIAS
CisGAQQBl1UBBQEBB0BNB37+9aYuoCS8/GXC5izCGlHqhxWt+asrCpUCOj/BAgMB
CAeIeAQYFggAIBYhBNWXQ3Mkr5k2zSh8XCYylJVsGDXjBQJlkgCAAhsMAAoJECYy
lJVsGDXj8zABAKOdvzwFWi8i7pw1Bt71+y/RMSkJ4n21Pofo6LUO65F/AQCBD7J3
KDHBrVBU/NRe0WnDjDE5zsk34TF45fsLYGeoDA==
=Yu5C
-----END PGP PUBLIC KEY BLOCK-----
)";

}  // namespace aptward
