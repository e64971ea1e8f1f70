// SPDX-License-Identifier: GPL-3.0-or-later
// A pull from a source that is a file on this machine: piece by piece, the next one when the last
// was taken.
#include "fetch/pull.h"

namespace aptward::fetch {

void Pull::read_on(std::uint64_t offset)
{
    auto took = [self = shared_from_this(), offset](Result<std::string> piece) {
        self->client_.post(
            [self, offset, piece = std::move(piece)] { self->take_piece(offset, piece); });
    };
    request_.source->read_local()(request_.digest, offset, std::move(took));
}

void Pull::take_piece(std::uint64_t offset, const Result<std::string>& piece)
{
    if (events_ == nullptr)
        return;
    if (!piece) {
        const bool is_absent = piece.error().code() == Errc::not_found;
        return events_->on_fault(is_absent ? Fault::missing : Fault::failing,
                                 piece.error().message());
    }
    const std::uint64_t from = request_.from.value_or(0);
    if (offset == from) {
        http::UpstreamHead head;
        head.status = request_.from ? 206 : 200;
        if (request_.from)
            head.range_first = from;
        if (!events_->on_head(head))
            return;
    }
    if (piece->empty())
        return events_->on_complete();
    if (events_->on_body(*piece))
        read_on(offset + piece->size());
}

}  // namespace aptward::fetch
