// SPDX-License-Identifier: GPL-3.0-or-later
// Names and dates of Release files. A path that was cleaned is clean and stays inside; what an
// index is called fits its path; a date reads the same when it is printed; and a release fits the
// suite that it names itself, and no sibling of it (V29). Input: path, date, Suite, Codename and
// suite path, a line each.
#include <cstdint>

#include "base/check.h"
#include "base/lines.h"
#include "base/text.h"
#include "deb/deb.h"
#include "deb/path.h"
#include "input.h"

using namespace aptward;

namespace {

void check_path(std::string_view path)
{
    const auto cleaned = deb::clean_relative_path(path);
    CHECK(!deb::is_clean_path(path) || cleaned == path, "cleaning leaves the clean as it is");
    if (!cleaned)
        return;
    CHECK(deb::clean_relative_path(*cleaned) == cleaned, "cleaning once is enough");
    const std::string bounded = "/" + *cleaned + "/";
    for (const std::string_view bad : {"//", "/./", "/../", "\\"})
        CHECK(bounded.find(bad) == std::string::npos, "it stays inside, in one spelling");
    const deb::IndexName index = deb::classify_index(*cleaned);
    CHECK(cleaned->starts_with(index.base) && !index.base.empty(), "the base is the path's");
    CHECK(deb::without_compression(*cleaned) == index.base, "without its compression");
    CHECK((index.base == *cleaned) == (deb::compression_of(*cleaned) == deb::Compression::none),
          "which is there or not");
}

void check_date(std::string_view text)
{
    const auto date = deb::parse_release_date(text);
    if (!date)
        return;
    const std::string printed = deb::format_release_date(*date);
    const auto again = deb::parse_release_date(printed);
    CHECK(again && *again == *date, "a date reads the same when it is printed");
}

void check_suite(std::string_view suite, std::string_view codename, std::string_view path)
{
    deb::Release release;
    release.suite = suite;
    release.codename = codename;
    const bool fits = deb::fits_suite_path(release, path);
    CHECK(deb::fits_suite_path(release, path, {std::string(path)}) || !fits,
          "an alias takes nothing away");
    if (suite.empty() || suite == "." || suite == "./")
        return;
    CHECK(deb::fits_suite_path(release, suite), "a release fits the suite that it names");
    // A22: the same codename, another pocket.
    for (const char* pocket : {"-proposed", "-updates", "-security"}) {
        deb::Release sibling;
        sibling.suite = std::string(suite) + pocket;
        sibling.codename = suite;
        // Flat repositories fit anything; the other two are names of several suites.
        CHECK(suite.ends_with('/') || suite.ends_with("/updates") || suite.starts_with("devel") ||
                  !deb::fits_suite_path(sibling, suite),
              "a sibling does not fit");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    std::string_view rest(reinterpret_cast<const char*>(bytes), size);
    check_path(take_line(rest));
    check_date(take_line(rest));
    const std::string_view suite = take_line(rest);
    const std::string_view codename = take_line(rest);
    check_suite(suite, codename, rest);
    return 0;
}
