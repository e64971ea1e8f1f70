// SPDX-License-Identifier: GPL-3.0-or-later
// The node's side: a folder that looks to apt like a machine, and a confined child that reads it.
#include "solve/solve.h"

#include <apt-pkg/strutl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>

#include "base/temporary_folder.h"
#include "base/text.h"
#include "solve/apt_solver.h"

namespace aptward::solve {
namespace {

// Debian's main with updates and security takes some 2 s for its lists and 0.1 s a question.
constexpr std::chrono::seconds kLimit{120};
constexpr std::size_t kMostAnswerBytes = 16'000'000;
constexpr std::uint64_t kMostRequestBytes = 64'000'000;
constexpr ::uid_t kNobody = 65534;  // whom the child becomes when this process is root

class Folder {
public:
    static Result<Folder> make()
    {
        TRY(auto temporary,
            TemporaryFolder::make(std::filesystem::temp_directory_path(), "aptward-solve"));
        for (const char* name : {"lists", "lists/partial", kPreferencesFolder})
            if (::mkdir((temporary.path() / name).c_str(), 0700) != 0)
                return fail_errno("creating a temporary folder", errno);
        return Folder(std::move(temporary));
    }
    explicit Folder(TemporaryFolder folder) : folder_(std::move(folder)) {}

    const std::filesystem::path& path() const { return folder_.path(); }

    Result<Fd> create(const std::filesystem::path& name) const
    {
        Fd file(::open((path() / name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400));
        if (!file)
            return fail_errno("writing for apt's solver", errno);
        return file;
    }

    Result<void> write(const std::filesystem::path& name, std::string_view bytes) const
    {
        TRY(const Fd file, create(name));
        return write_all(file.get(), bytes);
    }

    Result<void> copy(const std::filesystem::path& name, const Fd& from) const
    {
        TRY(const Fd file, create(name));
        ::off_t offset = 0;
        for (;;) {
            const ssize_t sent = ::sendfile(file.get(), from.get(), &offset, 1 << 24);
            if (sent == 0)
                return {};
            if (sent < 0 && errno != EINTR)
                return fail_errno("copying an index for apt's solver", errno);
        }
    }

    // The child must read what nobody else may.
    Result<void> give_to_child() const
    {
        if (::geteuid() != 0)
            return {};
        std::vector<std::filesystem::path> all = {path()};
        std::error_code error;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(path(), error))
            all.push_back(entry.path());
        for (const auto& each : all)
            if (::lchown(each.c_str(), kNobody, kNobody) != 0 && errno != EPERM)
                return fail_errno("handing a folder to apt's solver", errno);
        return {};
    }

private:
    TemporaryFolder folder_;
};

// What stands in a line of sources.list must not end it, or open its options.
bool is_plain(std::string_view word)
{
    return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
        return c > ' ' && c < 0x7f && c != '[' && c != ']' && c != '#' && c != '"';
    });
}

Result<std::string> source_line(const Suite& suite)
{
    std::vector<std::string> words = {suite.uri, suite.name};
    words.insert(words.end(), suite.components.begin(), suite.components.end());
    if (!std::all_of(words.begin(), words.end(), is_plain))
        return fail(Errc::malformed,
                    fmt::format("a source of the machine cannot be read: {}",
                                printable(fmt::format("{}", fmt::join(words, " ")))));
    return fmt::format("deb [trusted=yes] {}\n", fmt::join(words, " "));
}

bool is_flat(const Suite& suite)
{
    return !suite.name.empty() && suite.name.back() == '/';
}

// The name that apt gives to what it fetches from below a suite.
std::string list_name(const Suite& suite, const std::string& path)
{
    const std::string folder =
        is_flat(suite) ? (suite.name == "/" ? "" : suite.name) : "dists/" + suite.name + "/";
    const std::size_t end = suite.uri.find_last_not_of('/') + 1;  // "debian" and "debian/" are one
    return URItoFileName(suite.uri.substr(0, end) + "/" + folder + path);
}

Result<void> write_lists(const Folder& folder, const std::vector<Suite>& suites, Setting& setting)
{
    std::string sources;
    std::set<std::string> written;
    for (std::size_t i = 0; i < suites.size(); ++i) {
        const Suite& suite = suites[i];
        TRY(const std::string line, source_line(suite));
        sources += line;
        // A suite may stand in several lines.
        const std::string release = list_name(suite, "Release");
        if (written.insert(release).second)
            TRY_VOID(folder.write(std::filesystem::path(kListsFolder) / release, suite.release));
        for (const Suite::Index& index : suite.indexes) {
            const std::string name = list_name(suite, index.path);
            if (!written.insert(name).second)
                continue;
            TRY_VOID(folder.copy(std::filesystem::path(kListsFolder) / name, index.file));
            setting.lists[name] = i;
        }
    }
    return folder.write(kSourcesFile, sources);
}

Result<void> write_machine(const Folder& folder, const Machine& machine)
{
    TRY_VOID(folder.write(kStatusFile, machine.status));
    TRY_VOID(folder.write(kExtendedStatesFile, machine.extended_states));
    for (std::size_t i = 0; i < machine.preferences.size(); ++i)
        TRY_VOID(
            folder.write(std::filesystem::path(kPreferencesFolder) / fmt::format("{:04}.pref", i),
                         machine.preferences[i]));
    return {};
}

Result<Setting> setting_of(const Machine& machine, const std::vector<Question>& questions)
{
    Setting setting;
    setting.architectures = {machine.architecture};
    setting.architectures.insert(setting.architectures.end(), machine.foreign_architectures.begin(),
                                 machine.foreign_architectures.end());
    if (!std::all_of(setting.architectures.begin(), setting.architectures.end(), is_plain))
        return fail(Errc::malformed, "the machine does not say which architecture it has");
    const auto& known = known_settings();
    for (const auto& [name, value] : machine.settings)
        if (std::find(known.begin(), known.end(), name) != known.end())
            setting.settings[name] = value;
    setting.settings["APT::Machine-ID"] = machine.id;
    setting.questions = questions;
    return setting;
}

}  // namespace

const std::vector<std::string>& known_settings()
{
    static const std::vector<std::string> kSettings = {
        "APT::Install-Recommends",
        "APT::Install-Suggests",
        "APT::Default-Release",
        "APT::Get::Always-Include-Phased-Updates",
        "APT::Get::Never-Include-Phased-Updates",
        "APT::Get::Upgrade-Allow-New",
    };
    return kSettings;
}

Result<Solution> solve(crypto::Spawner& spawner, const Machine& machine,
                       const std::vector<Suite>& suites, const std::vector<Question>& questions)
{
    TRY(Setting setting, setting_of(machine, questions));
    TRY(const Folder folder, Folder::make());
    TRY_VOID(write_lists(folder, suites, setting));
    TRY_VOID(write_machine(folder, machine));
    TRY_VOID(folder.write(kRequestFile, to_json(setting)));
    TRY_VOID(folder.give_to_child());
    TRY(const crypto::Spawner::Outcome outcome,
        spawner.run("/proc/self/exe", {"solve", folder.path().string()}, {}, kLimit,
                    {kMostAnswerBytes, true}));
    if (outcome.exit_status == -1)
        return fail(Errc::unavailable,
                    fmt::format("apt's solver took longer than {} s", kLimit.count()));
    if (WIFSIGNALED(outcome.exit_status))
        return fail(Errc::unavailable, fmt::format("apt's solver was ended by signal {}",
                                                   WTERMSIG(outcome.exit_status)));
    if (WEXITSTATUS(outcome.exit_status) != 0)
        return fail(Errc::malformed,
                    outcome.output.empty() ? "apt's solver failed" : printable(outcome.output));
    return parse_solution(outcome.output);
}

int run_solver(const std::filesystem::path& folder)
{
    constexpr int kAnswer = 3;
    const auto solution = [&]() -> Result<Solution> {
        TRY_VOID(crypto::see_only(folder));
        ::setenv("TMPDIR", folder.c_str(), 1);  // the library unpacks signatures into files
        TRY(const std::string request, read_file(folder / kRequestFile, kMostRequestBytes));
        TRY(const Setting setting, parse_setting(request));
        return ask_apt(folder, setting);
    }();
    const std::string said = solution ? to_json(*solution) : solution.error().message();
    const auto written = write_all(kAnswer, said);
    // Not exit(): what the library would tidy up goes with the process.
    std::_Exit(solution && written ? 0 : 1);
}

}  // namespace aptward::solve
