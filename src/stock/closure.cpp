// SPDX-License-Identifier: GPL-3.0-or-later
#include "stock/closure.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "archive/index_table.h"

namespace aptward::stock {
namespace {

using solve::Question;

// Where the solver's number of a suite leads.
struct Place {
    std::string archive, suite;
    catalog::GenerationPtr generation;
};

std::string text_of(const Source& source)
{
    return fmt::format("{} {}", source.uri, source.suite);
}

// A form of the index that is held: clients need only one.
const deb::ListedFile* find_held(const deb::Release& release, const std::string& base,
                                 const store::Blobs& blobs)
{
    for (const char* suffix : {"", ".gz", ".zst", ".xz", ".bz2", ".lzma"}) {
        const deb::ListedFile* file = release.find(base + suffix);
        if (file != nullptr && blobs.holds(file->digests.front()))
            return file;
    }
    return nullptr;
}

class Looking {
public:
    Looking(const Lookup& lookup, const Subject& subject) : lookup_(lookup), subject_(subject)
    {
        found_.name = subject.name;
    }

    Result<SubjectStock> work()
    {
        for (const Source& source : subject_.sources)
            TRY_VOID(add(source));
        if (subject_.wants_everything)
            TRY_VOID(take_everything());
        TRY_VOID(ask());
        return std::move(found_);
    }

private:
    Result<void> ask()
    {
        std::vector<Question> questions;
        if (subject_.has_machine)
            questions = {{Question::Kind::upgrade, {}}, {Question::Kind::installed, {}}};
        for (const auto* names : {&subject_.packages, &subject_.asked})
            for (const std::string& package : *names)
                questions.push_back({Question::Kind::install, {package}});
        if (questions.empty())
            return {};
        TRY(solution_, solve::solve(lookup_.spawner, subject_.machine, suites_, questions));
        if (solution_.answers.size() != questions.size())
            return fail(Errc::malformed, "apt's solver left questions unanswered");
        auto answer = solution_.answers.begin();
        if (subject_.has_machine) {
            TRY_VOID(take_upgrade(*answer++));
            TRY_VOID(take_installed(*answer++));
        }
        for (const std::string& package : subject_.packages)
            TRY_VOID(take_asked(package, *answer++, Wanted::yes));
        for (const std::string& package : subject_.asked)
            TRY_VOID(take_asked(package, *answer++, Wanted::no));
        return {};
    }

    // Each file once: what is for all architectures stands in the indexes of each.
    Result<void> take_everything()
    {
        std::unordered_set<Digest, DigestHash> seen;
        for (std::size_t suite = 0; suite < suites_.size(); ++suite)
            for (const solve::Suite::Index& index : suites_[suite].indexes) {
                TRY(const std::string text,
                    archive::read_index(lookup_.blobs, places_[suite].generation->release(),
                                        std::string(deb::without_compression(index.path))));
                Result<void> taken;
                TRY_VOID(deb::scan_packages(text, [&](const deb::PoolFile& file) {
                    if (taken && seen.insert(file.digest).second)
                        taken = take(suite, file);
                }));
                TRY_VOID(taken);
            }
        return {};
    }

    Result<void> take(std::size_t suite, const deb::PoolFile& file)
    {
        const deb::PackageFields fields = deb::read_package_fields(file.record);
        const solve::Package chosen{std::string(fields.package),
                                    std::string(fields.version),
                                    std::string(fields.architecture),
                                    {}};
        TRY(auto one, look_up(chosen, {suite, std::string(file.path)}));
        if (one) {
            one->is_wanted = true;
            found_.needs.push_back(std::move(*one));
        }
        return {};
    }

    Result<void> add(const Source& source)
    {
        const auto found = lookup_.find(source.uri);
        if (!found) {
            found_.not_from_here.push_back(text_of(source));
            return {};
        }
        const catalog::SuiteView* view = found->view->find(source.suite);
        if (view == nullptr || !view->current) {
            found_.unread.push_back(text_of(source));
            return {};
        }
        const auto& generation = *view->current;
        solve::Suite suite;
        suite.uri = source.uri;
        suite.name = source.suite;
        suite.components = source.components;
        suite.release = generation.verified().signed_text().text;
        for (const std::string& base : bases_of(source, generation.release()))
            TRY_VOID(add_index(generation, base, suite));
        places_.push_back({found->archive, source.suite, view->current});
        found_.places.push_back({found->archive, source.suite});
        suites_.push_back(std::move(suite));
        return {};
    }

    std::vector<std::string> bases_of(const Source& source, const deb::Release& release) const
    {
        if (source.components.empty())
            return {"Packages"};
        std::vector<std::string> architectures = subject_.machine.foreign_architectures;
        architectures.insert(architectures.begin(), subject_.machine.architecture);
        const auto& published = release.architectures;
        if (!release.packages_without_all &&
            std::find(published.begin(), published.end(), "all") != published.end())
            architectures.push_back("all");
        std::vector<std::string> bases;
        for (const std::string& component : source.components)
            for (const std::string& architecture : architectures)
                bases.push_back(component + "/binary-" + architecture + "/Packages");
        return bases;
    }

    Result<void> add_index(const catalog::Generation& generation, const std::string& base,
                           solve::Suite& suite)
    {
        if (generation.tables().count(base) == 0) {
            if (is_listed(generation.release(), base))
                found_.unread.push_back(suite.name + " " + base);
            return {};
        }
        const deb::ListedFile* file = find_held(generation.release(), base, lookup_.blobs);
        if (file == nullptr) {
            found_.unread.push_back(suite.name + " " + base);
            return {};
        }
        TRY(Fd bytes, lookup_.blobs.read(file->digests.front()));
        suite.indexes.push_back({file->path, std::move(bytes)});
        return {};
    }

    static bool is_listed(const deb::Release& release, const std::string& base)
    {
        const auto next = release.files.lower_bound(base);
        return next != release.files.end() && deb::without_compression(next->first) == base;
    }

    // Number of the file in needs; nothing for one that no table knows.
    Result<std::optional<std::size_t>> need(std::size_t package)
    {
        const auto known = numbers_.find(package);
        if (known != numbers_.end())
            return known->second;
        const solve::Package& chosen = solution_.packages[package];
        std::optional<Needed> best;
        for (const solve::Package::Place& place : chosen.places) {
            if (place.suite >= places_.size() || (best && best->is_held))
                continue;
            TRY(auto one, look_up(chosen, place));
            if (one && (!best || one->is_held))
                best = std::move(one);
        }
        std::optional<std::size_t> number;
        if (best) {
            number = found_.needs.size();
            found_.needs.push_back(std::move(*best));
        }
        numbers_[package] = number;
        return number;
    }

    Result<std::optional<Needed>> look_up(const solve::Package& chosen,
                                          const solve::Package::Place& at) const
    {
        const Place& place = places_[at.suite];
        const auto path = deb::clean_relative_path(at.path);
        if (!path)
            return std::nullopt;
        TRY(const auto digest, place.generation->find_pool(*path));
        if (!digest)
            return std::nullopt;
        const bool is_held =
            lookup_.blobs.holds(*digest) && lookup_.private_marks.may_give(*digest, place.archive);
        return Needed{chosen.name,   chosen.version, chosen.architecture,
                      place.archive, place.suite,    *path,
                      *digest,       is_held,        false};
    }

    enum class Wanted { no, yes };

    Result<std::vector<std::size_t>> take(const solve::Answer& answer, Wanted wanted)
    {
        std::vector<std::size_t> needs;
        for (const std::size_t package : answer.needs) {
            TRY(const auto number, need(package));
            if (!number)
                continue;
            needs.push_back(*number);
            if (wanted == Wanted::yes)
                found_.needs[*number].is_wanted = true;
        }
        return needs;
    }

    Result<void> take_upgrade(const solve::Answer& answer)
    {
        found_.cannot_upgrade = answer.why_not;
        found_.phased_out = answer.phased_out;
        return take(answer, Wanted::yes).map([](const auto&) {});
    }

    Result<void> take_installed(const solve::Answer& answer)
    {
        found_.unlisted = answer.unlisted;
        return take(answer, Wanted::yes).map([](const auto&) {});
    }

    Result<void> take_asked(const std::string& package, const solve::Answer& answer, Wanted wanted)
    {
        TRY(auto needs, take(answer, wanted));
        found_.asked.push_back({package, answer.why_not, std::move(needs)});
        return {};
    }

    const Lookup& lookup_;
    const Subject& subject_;
    std::vector<solve::Suite> suites_;
    std::vector<Place> places_;  // of each of them
    solve::Solution solution_;
    std::map<std::size_t, std::optional<std::size_t>> numbers_;  // of the solver's packages
    SubjectStock found_;
};

}  // namespace

Subject subject_of(const MachineReport& report)
{
    return {report.name, report.machine, report.sources, {}, {}, true};
}

bool SubjectStock::Asked::installs(const SubjectStock& stock) const
{
    return why_not.empty() && std::all_of(needs.begin(), needs.end(), [&](std::size_t number) {
               return stock.needs[number].is_held;
           });
}

Result<SubjectStock> look_at(const Lookup& lookup, const Subject& subject)
{
    return Looking(lookup, subject).work();
}

}  // namespace aptward::stock
