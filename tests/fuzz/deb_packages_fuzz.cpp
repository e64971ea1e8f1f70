// SPDX-License-Identifier: GPL-3.0-or-later
// Both walks over a Packages text give the same files, or both refuse it.
#include <cstdlib>
#include <vector>

#include "deb/deb.h"
#include "deb/scan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(static_cast<const char*>(static_cast<const void*>(bytes)), size);
    std::vector<std::string> portable, vectors;
    const bool is_fine = aptward::deb::scan_packages_portable(text, [&](const auto& file) {
                             portable.push_back(std::string(file.path) + file.digest.hex() +
                                                std::string(file.record));
                         }).has_value();
    if (!aptward::deb::has_vector_scan())
        return 0;
    const bool is_fine_too = aptward::deb::scan_packages_vector(text, [&](const auto& file) {
                                 vectors.push_back(std::string(file.path) + file.digest.hex() +
                                                   std::string(file.record));
                             }).has_value();
    if (is_fine != is_fine_too || (is_fine && portable != vectors))
        std::abort();
    return 0;
}
