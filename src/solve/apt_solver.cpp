// SPDX-License-Identifier: GPL-3.0-or-later
// The steps are those of apt-get (apt-private): what it would fetch is only known by doing as it
// does, not by another reading of the dependencies.
#include "solve/apt_solver.h"

#include <apt-pkg/algorithms.h>
#include <apt-pkg/aptconfiguration.h>
#include <apt-pkg/cachefile.h>
#include <apt-pkg/cacheset.h>
#include <apt-pkg/configuration.h>
#include <apt-pkg/depcache.h>
#include <apt-pkg/error.h>
#include <apt-pkg/init.h>
#include <apt-pkg/pkgrecords.h>
#include <apt-pkg/pkgsystem.h>
#include <apt-pkg/policy.h>
#include <apt-pkg/upgrade.h>
#include <apt-pkg/versionmatch.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "base/text.h"
#include "deb/apt_messages.h"

namespace aptward::solve {
namespace {

constexpr const char* kAlwaysPhased = "APT::Get::Always-Include-Phased-Updates";
constexpr unsigned kWholePhase = 100;

class AptSolver {
public:
    AptSolver(const std::filesystem::path& folder, const Setting& setting)
        : folder_(folder), setting_(setting)
    {
    }

    Result<Solution> work()
    {
        TRY_VOID(configure());
        if (!cache_.ReadOnlyOpen() || cache_.GetDepCache() == nullptr)
            return fail(Errc::malformed, "apt cannot read it: " + deb::take_apt_errors());
        records_ = std::make_unique<pkgRecords>(cache_);
        deb::take_apt_errors();
        // While it lives, apt does not look for what nobody needs any more after each step.
        const pkgDepCache::ActionGroup group(*depends());
        Solution solution;
        for (const Question& question : setting_.questions)
            solution.answers.push_back(answer(question));
        solution.packages = std::move(packages_);
        return solution;
    }

private:
    using PkgIterator = pkgCache::PkgIterator;
    using VerIterator = pkgCache::VerIterator;

    pkgDepCache* depends() { return cache_.GetDepCache(); }

    // Everything that apt would read comes from the folder, and nothing of the machine it runs on.
    Result<void> configure() const
    {
        _error->Discard();
        _config->Clear();
        const std::string folder = folder_.string();
        for (const auto& [name, value] : setting_.settings)
            _config->Set(name, value);
        const std::pair<const char*, std::string> places[] = {
            {"Dir", folder + "/"},
            {"Dir::Etc::main", "/dev/null"},
            {"Dir::Etc::parts", "/dev/null"},
            {"Dir::Etc", folder + "/"},
            {"Dir::Etc::sourcelist", folder + "/" + kSourcesFile},
            {"Dir::Etc::sourceparts", "/dev/null"},
            {"Dir::Etc::preferences", "/dev/null"},
            {"Dir::Etc::preferencesparts", folder + "/" + kPreferencesFolder + "/"},
            {"Dir::Etc::trusted", "/dev/null"},
            {"Dir::Etc::trustedparts", "/dev/null"},
            {"Dir::State", folder + "/"},
            {"Dir::State::lists", folder + "/" + kListsFolder + "/"},
            {"Dir::State::status", folder + "/" + kStatusFile},
            {"Dir::State::extended_states", folder + "/" + kExtendedStatesFile},
            {"Dir::Cache", folder + "/"},
            {"Dir::Log", folder + "/"},
        };
        for (const auto& [name, value] : places)
            _config->Set(name, value);
        _config->Set("APT::Architecture", setting_.architectures.front());
        for (const std::string& architecture : setting_.architectures)
            _config->Set("APT::Architectures::", architecture);
        if (!pkgInitConfig(*_config) || !pkgInitSystem(*_config, _system))
            return fail(Errc::malformed, "apt cannot be set up: " + deb::take_apt_errors());
        // Its caches stay in memory. Only now: empty ones were filled in.
        _config->Set("Dir::Cache::pkgcache", "");
        _config->Set("Dir::Cache::srcpkgcache", "");
        return {};
    }

    Answer answer(const Question& question)
    {
        deb::take_apt_errors();
        depends()->Init(nullptr);
        pkgApplyStatus(*depends());  // what dpkg left half done is to be finished
        switch (question.kind) {
            case Question::Kind::upgrade:
                return upgrade();
            case Question::Kind::installed:
                return installed();
            case Question::Kind::install:
                return install(question.packages);
        }
        return {};
    }

    Answer upgrade()
    {
        const auto before = _config->Find(kAlwaysPhased);
        Answer answer = marked_after(upgrade_all());
        const std::set<std::size_t> now(answer.needs.begin(), answer.needs.end());
        depends()->Init(nullptr);
        _config->Set(kAlwaysPhased, "true");
        const bool can_all = upgrade_all();
        _config->Set(kAlwaysPhased, before);
        if (!can_all)
            return answer;
        for (PkgIterator package = cache_->PkgBegin(); !package.end(); ++package) {
            const auto number = number_of_marked(package);
            if (!number || now.count(*number) != 0)
                continue;
            const VerIterator version = depends()->GetCandidateVersion(package);
            if (const unsigned percentage = phase_of(version); percentage < kWholePhase)
                answer.phased_out.push_back({package.Name(), version.VerStr(), percentage});
        }
        return answer;
    }

    // The library knows it too, but keeps it to itself.
    unsigned phase_of(const VerIterator& version)
    {
        const std::string text =
            records_->Lookup(version.FileList()).RecordField("Phased-Update-Percentage");
        return parse_number<unsigned>(text).value_or(kWholePhase);
    }

    bool upgrade_all() { return APT::Upgrade::Upgrade(*depends(), APT::Upgrade::ALLOW_EVERYTHING); }

    Answer installed()
    {
        Answer answer;
        for (PkgIterator package = cache_->PkgBegin(); !package.end(); ++package) {
            const VerIterator version = package.CurrentVer();
            if (version.end())
                continue;
            if (const auto number = number_of(version))
                answer.needs.push_back(*number);
            else
                answer.unlisted.push_back(package.FullName(true) + "=" + version.VerStr());
        }
        return answer;
    }

    Answer install(const std::vector<std::string>& names)
    {
        Answer answer;
        pkgProblemResolver resolver(depends());
        std::vector<PkgIterator> later;
        // Then apt-get resolves nothing, and wants to be told to repair the machine first.
        const bool was_broken = depends()->BrokenCount() != 0;
        for (const std::string& name : names) {
            const VerIterator version = find(name);
            if (version.end()) {
                answer.why_not = "no index that is read names " + name;
                return answer;
            }
            const PkgIterator package = version.ParentPkg();
            depends()->SetCandidateVersion(version);
            resolver.Clear(package);
            resolver.Protect(package);
            depends()->MarkInstall(package, false);
            if (!was_broken)
                later.push_back(package);
        }
        if (was_broken && depends()->BrokenCount() != 0) {
            answer.why_not =
                "the machine's packages are broken" + named_broken() + ": apt --fix-broken install";
            return answer;
        }
        for (const PkgIterator& package : later) {
            const auto& state = (*depends())[package];
            if (state.InstBroken() || state.InstPolicyBroken())
                depends()->MarkInstall(package, true);
        }
        return marked_after(resolver.Resolve(true));
    }

    // "nginx", "libc6:i386", "vim=2:9.0-1", "vim/bookworm-backports"; a name that only one package
    // provides means that package, as for apt.
    VerIterator find(const std::string& name)
    {
        const std::size_t mark = name.find_first_of("=/");
        const std::string base = name.substr(0, mark);
        PkgIterator package = cache_->FindPkg(base);
        if (package.end())
            return VerIterator(*cache_.GetPkgCache());
        if (package.VersionList().end())
            package = only_provider(package);
        if (mark == std::string::npos)
            return depends()->GetCandidateVersion(package);
        const auto kind = name[mark] == '=' ? pkgVersionMatch::Version : pkgVersionMatch::Release;
        return pkgVersionMatch(name.substr(mark + 1), kind).Find(package);
    }

    PkgIterator only_provider(const PkgIterator& virtual_one)
    {
        PkgIterator found = virtual_one;
        for (auto provided = virtual_one.ProvidesList(); !provided.end(); ++provided) {
            const PkgIterator owner = provided.OwnerPkg();
            const VerIterator candidate = depends()->GetCandidateVersion(owner);
            if (candidate.end() || candidate != provided.OwnerVer())
                continue;
            if (found != virtual_one && found != owner)
                return virtual_one;  // which of them is for people to say
            found = owner;
        }
        return found;
    }

    Answer marked_after(bool is_solved)
    {
        Answer answer;
        if (!is_solved || depends()->BrokenCount() != 0) {
            answer.why_not = deb::take_apt_errors();
            if (answer.why_not.empty())
                answer.why_not = "dependencies cannot be met";
            answer.why_not += named_broken();
            return answer;
        }
        leave_out_garbage();
        for (PkgIterator package = cache_->PkgBegin(); !package.end(); ++package) {
            if ((*depends())[package].Delete())
                answer.removes.push_back(package.FullName(true));
            if (const auto number = number_of_marked(package))
                answer.needs.push_back(*number);
        }
        return answer;
    }

    // What was tried on the way and is needed by nothing in the end is not installed, as in
    // apt-get: but what something to be installed wants after all comes back.
    void leave_out_garbage()
    {
        depends()->MarkAndSweep();
        std::vector<PkgIterator> left_out;
        for (PkgIterator package = cache_->PkgBegin(); !package.end(); ++package) {
            const auto& state = (*depends())[package];
            if (!state.Garbage || !state.Install() || !package.CurrentVer().end())
                continue;
            depends()->MarkDelete(package, false);
            left_out.push_back(package);
        }
        const auto is_whole = [&] {
            return depends()->BrokenCount() == 0 && depends()->PolicyBrokenCount() == 0;
        };
        for (bool has_changed = true; has_changed && !left_out.empty() && !is_whole();) {
            const auto wanted =
                std::find_if(left_out.begin(), left_out.end(),
                             [&](const PkgIterator& package) { return is_wanted(package); });
            has_changed = wanted != left_out.end();
            if (!has_changed)
                break;
            depends()->MarkInstall(*wanted, false, 0, false);
            left_out.erase(wanted);
        }
    }

    bool is_wanted(const PkgIterator& package)
    {
        std::vector<PkgIterator> names = {package};
        const VerIterator candidate = depends()->GetCandidateVersion(package);
        if (!candidate.end())
            for (auto provided = candidate.ProvidesList(); !provided.end(); ++provided)
                names.push_back(provided.ParentPkg());
        for (const PkgIterator& name : names)
            for (auto dependency = name.RevDependsList(); !dependency.end(); ++dependency) {
                if (!dependency.IsNegative() && depends()->IsImportantDep(dependency) &&
                    is_going_to_be(dependency.ParentVer()))
                    return true;
            }
        return false;
    }

    // Whether this is the version that the machine has in the end.
    bool is_going_to_be(const VerIterator& version)
    {
        const PkgIterator package = version.ParentPkg();
        const auto& state = (*depends())[package];
        if (package.CurrentVer() == version)
            return state.Keep();
        return depends()->GetCandidateVersion(package) == version &&
               (state.NewInstall() || state.Upgrade());
    }

    std::string named_broken()
    {
        std::string names;
        for (PkgIterator package = cache_->PkgBegin(); !package.end(); ++package)
            if ((*depends())[package].InstBroken())
                names.append(names.empty() ? " (" : ", ").append(package.FullName(true));
        return names.empty() ? names : names + ")";
    }

    std::optional<std::size_t> number_of_marked(const PkgIterator& package)
    {
        if (!(*depends())[package].Install())
            return std::nullopt;
        return number_of((*depends())[package].InstVerIter(cache_));
    }

    // Nothing for a version that no list has: only dpkg knows it.
    std::optional<std::size_t> number_of(const VerIterator& version)
    {
        const auto [known, is_new] = numbers_.try_emplace(version->ID, std::nullopt);
        if (!is_new)
            return known->second;
        Package package{version.ParentPkg().Name(), version.VerStr(), version.Arch(), {}};
        for (auto file = version.FileList(); !file.end(); ++file) {
            if ((file.File()->Flags & pkgCache::Flag::NotSource) != 0)
                continue;
            const auto list = list_of(file.File());
            if (list)
                package.places.push_back({*list, records_->Lookup(file).FileName()});
        }
        if (package.places.empty())
            return std::nullopt;
        packages_.push_back(std::move(package));
        known->second = packages_.size() - 1;
        return known->second;
    }

    std::optional<std::size_t> list_of(const pkgCache::PkgFileIterator& file) const
    {
        const std::string name = std::filesystem::path(file.FileName()).filename();
        const auto found = setting_.lists.find(name);
        return found == setting_.lists.end() ? std::nullopt : std::optional(found->second);
    }

    const std::filesystem::path& folder_;
    const Setting& setting_;
    pkgCacheFile cache_;
    std::unique_ptr<pkgRecords> records_;
    std::vector<Package> packages_;
    std::map<unsigned, std::optional<std::size_t>> numbers_;  // of versions, by apt's number
};

}  // namespace

Result<Solution> ask_apt(const std::filesystem::path& folder, const Setting& setting)
{
    return AptSolver(folder, setting).work();
}

}  // namespace aptward::solve
