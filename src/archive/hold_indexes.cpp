// SPDX-License-Identifier: GPL-3.0-or-later
// The indexes that an operator wants held, whether or not clients use them: the first step of a
// mirror job (mirror_job.cpp).
#include <fmt/format.h>

#include "archive/suite.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

constexpr int kMostOvertaken = 3;  // by newer releases

// "bookworm-updates", "dir/" of a flat repository, "/" of one at the root.
bool is_suite_name(std::string_view name)
{
    if (name == "/")
        return true;
    const std::string_view path = name.substr(0, name.size() - (name.ends_with('/') ? 1 : 0));
    return deb::clean_relative_path(path) == path;
}

}  // namespace

http::Task<HeldIndexes> Archive::hold_indexes(std::string name, ChooseIndexes choose)
{
    const auto self = shared_from_this();
    if (!is_suite_name(name))
        co_return fail(Errc::not_found,
                       fmt::format("\"{}\" is no name of a suite", printable(name)));
    if (!may_have_suite(name) || !has_room_for(name))
        co_return fail(Errc::not_found,
                       fmt::format("the suite \"{}\" of {} is not among the configured ones",
                                   printable(name), settings_.id));
    co_await suite(name).refresh();
    Suite& target = suite(name);  // one that nobody has may have given way meanwhile
    co_return co_await target.hold_indexes(std::move(choose));
}

http::Task<HeldIndexes> Suite::hold_indexes(ChooseIndexes choose)
{
    for (int attempt = 0; attempt < kMostOvertaken; ++attempt) {
        if (!view_.current && is_absent_)
            co_return fail(Errc::not_found, fmt::format("no source of {} has a suite \"{}\"",
                                                        archive_.settings_.id, printable(name_)));
        if (!view_.current)
            co_return fail(
                Errc::unavailable,
                fmt::format("nothing proven is held of {} {}: {}", archive_.settings_.id,
                            printable(name_),
                            verdict_.message.empty() ? "no source answers" : verdict_.message));
        HeldIndexes held;
        held.generation = view_.current;
        held.not_refreshed = not_refreshed_;
        CO_TRY(const auto chosen, choose(held.generation->release()));
        bool is_whole = true;
        for (const ChosenIndex& index : chosen) {
            const bool is_held = co_await hold_index(index, held);
            if (!view_.current || view_.current->id() != held.generation->id())
                break;  // overtaken
            is_whole = is_whole && is_held;
        }
        if (!view_.current || view_.current->id() != held.generation->id())
            continue;
        held.generation = view_.current;
        if (is_whole)
            co_return held;
        co_return fail(Errc::unavailable,
                       fmt::format("an index of {} {} could not be had or read: aptward events "
                                   "says which and why",
                                   archive_.settings_.id, name_));
    }
    co_return fail(Errc::stale,
                   fmt::format("{} {} changed all the time", archive_.settings_.id, name_));
}

// False when it may be there, but was not to be had.
http::Async<bool> Suite::hold_index(const ChosenIndex& index, HeldIndexes& held)
{
    const catalog::GenerationPtr generation = held.generation;
    const auto path = listed_form(generation->release(), index.base);
    if (!path)
        co_return true;  // in forms that nobody reads
    if (catalog::is_tabled(*path)) {
        co_await adopt_index(generation->id(), *path);
        const bool is_read = view_.current && view_.current->tables().count(index.base) > 0;
        if (!is_read && unpublished_.count(generation->id() + index.base) == 0)
            co_return false;
        if (!is_read) {
            if (index.is_named)
                held.missing.push_back(*path);
            co_return true;
        }
    }
    held.indexes.push_back(index);
    held.wants.push_back(want_of(*generation, *generation->release().find(*path)));
    co_return true;
}

}  // namespace aptward::archive
