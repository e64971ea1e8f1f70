// SPDX-License-Identifier: GPL-3.0-or-later
#include "stock/machines.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace aptward::stock {
namespace {

constexpr std::size_t kMostNamed = 5;
constexpr std::string_view kSuffix = ".json";

}  // namespace

bool is_machine_name(std::string_view name)
{
    constexpr std::size_t kLongest = 128;
    return !name.empty() && name.size() <= kLongest && name.front() != '.' &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._") == name.npos;
}

Result<void> Machines::put(const MachineReport& report) const
{
    TRY_VOID(make_directories(folder_));
    std::error_code error;
    const std::string text = to_json(report);
    const bool is_new = !std::filesystem::exists(path_of(report.name), error);
    if ((is_new && names().size() >= kMostMachines) || bytes() + text.size() > kMostKeptBytes)
        return fail(Errc::storage,
                    "more machines have reported than are kept: aptward stock forget MACHINE "
                    "makes room");
    // Which machine has what is nobody else's business.
    return write_file_durably(path_of(report.name), text, 0600);
}

std::uint64_t Machines::bytes() const
{
    std::uint64_t bytes = 0;
    std::error_code error;
    std::filesystem::directory_iterator entries(folder_, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        std::error_code gone;
        const std::uintmax_t size = entries->file_size(gone);
        bytes += gone ? 0 : size;
    }
    return bytes;
}

Result<MachineReport> Machines::get(const std::string& name) const
{
    if (is_machine_name(name)) {
        auto text = read_file(path_of(name), 2 * kMostReportBytes);
        if (text)
            return parse_report(*text);
        if (text.error().code() != Errc::not_found)
            return tl::unexpected<Error>(std::move(text).error());
    }
    std::vector<std::string> some = names();
    some.resize(std::min(some.size(), kMostNamed));
    return fail(
        Errc::not_found,
        some.empty()
            ? std::string("no machine has reported yet: aptward client report, on a machine")
            : fmt::format("no machine \"{}\" has reported; there are: {}", printable(name),
                          fmt::join(some, ", ")));
}

std::vector<std::string> Machines::names() const
{
    std::vector<std::string> found;
    std::error_code error;
    std::filesystem::directory_iterator entries(folder_, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        std::string name = entries->path().filename().string();
        if (!name.ends_with(kSuffix))
            continue;
        name.resize(name.size() - kSuffix.size());
        if (is_machine_name(name))
            found.push_back(std::move(name));
    }
    std::sort(found.begin(), found.end());
    return found;
}

Result<void> Machines::forget(const std::string& name) const
{
    // A report of another version, or a damaged one, cannot be read and is forgotten all the same.
    if (const auto known = get(name); !known && known.error().code() == Errc::not_found)
        return tl::unexpected<Error>(known.error());
    std::error_code error;
    std::filesystem::remove(path_of(name), error);
    if (error)
        return fail(Errc::storage, "forgetting a machine: " + error.message());
    return sync_directory(folder_);
}

}  // namespace aptward::stock
