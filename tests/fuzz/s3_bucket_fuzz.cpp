// SPDX-License-Identifier: GPL-3.0-or-later
// What is read out of a bucket beside blobs, by the first byte: a list, a lease, a notice; and the
// file of what nobody needs.
#include "base/check.h"
#include "input.h"
#include "s3/lease.h"
#include "s3/listing.h"
#include "s3/unneeded.h"

using namespace aptward;

namespace {

void check_listing(std::string_view xml)
{
    const auto listing = s3::read_listing(xml);
    if (!listing)
        return;
    CHECK(listing->objects.size() <= s3::kMostListed, "a list has no more than was asked for");
    CHECK(!listing->is_cut || !listing->objects.empty(), "a list that goes on has a place to");
    for (const s3::Listed& object : listing->objects)
        CHECK(!object.key.empty() && object.key.size() <= 1024, "objects have names");
}

void check_lease(std::string_view text)
{
    const auto lease = s3::parse_lease(text);
    if (!lease)
        return;
    const auto again = s3::parse_lease(s3::to_text(*lease));
    CHECK(again && again->names == lease->names && again->node == lease->node &&
              again->valid == lease->valid && again->needs_everything == lease->needs_everything,
          "a lease is read as it is written");
    CHECK(lease->valid <= s3::kLongestValid, "no lease is for ever");
}

void check_notice(std::string_view text)
{
    const auto notice = s3::parse_deletion_notice(text);
    if (!notice)
        return;
    CHECK(s3::parse_deletion_notice(s3::to_text(*notice))->within == notice->within,
          "it is read as it is written");
    CHECK(s3::settling_time(*notice) > notice->within, "deletions are over before it settles");
}

void check_unneeded(std::string_view text)
{
    const std::string once = s3::Unneeded::parse(text).text();
    CHECK(s3::Unneeded::parse(once).text() == once, "it is read as it is written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    return fuzz::choose(bytes, size, check_listing, check_lease, check_notice, check_unneeded);
}
