// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Private to deb/ and its tests: the two walks over a Packages text, which must agree.

#include "deb/deb.h"

namespace aptward::deb {

/// Whether this processor and build have the vector walk that scan_packages prefers.
bool has_vector_scan();

/// scan_packages by memchr alone: what runs where has_vector_scan() is false.
Result<void> scan_packages_portable(std::string_view text, const VisitPoolFile& visit);

/// scan_packages by AVX2. Only where has_vector_scan().
Result<void> scan_packages_vector(std::string_view text, const VisitPoolFile& visit);

}  // namespace aptward::deb
