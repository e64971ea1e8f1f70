// SPDX-License-Identifier: GPL-3.0-or-later
// What is to be fetched, and in which order.
#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "stock/requested.h"
#include "stock/stock.h"

namespace aptward::stock {

class Stock::Planning {
public:
    Planning(const Stock& stock, const Next* next, const std::function<bool()>& goes_on)
        : stock_(stock), next_(next), goes_on_(goes_on)
    {
    }

    Plan make()
    {
        add_requested();
        for (const std::string& name : stock_.machines_.names()) {
            auto report = stock_.machines_.get(name);
            if (report)
                add(subject_of(*report));
            else
                plan_.failures.push_back(name + ": " + report.error().message());
        }
        for (const List& list : stock_.settings_.load()->lists) {
            auto subject = stock_.subject_of_list(list);
            if (subject)
                add(*subject);
            else
                plan_.failures.push_back(subject.error().message());
        }
        choose();
        return std::move(plan_);
    }

private:
    struct Wish {
        Wanted wanted;
        std::size_t subjects = 0;  // how many want it
        std::size_t newer = 0;     // newer versions of the package that are wanted as well
    };

    void add(const Subject& subject)
    {
        if (!concerns(subject))
            return;
        if (stock_.is_stopping_ || !goes_on_()) {
            plan_.failures.push_back(subject.name + ": there was no time to ask");
            return;
        }
        const auto stock = look_at(stock_.lookup(next_), subject);
        if (!stock) {
            plan_.failures.push_back(subject.name + ": " + stock.error().message());
            return;
        }
        for (const Needed& file : stock->needs)
            wish(file, 1);
        for (const SubjectStock::Asked& asked : stock->asked)
            if (!asked.why_not.empty())
                plan_.refused.push_back(subject.name + ": " + asked.package + ": " + asked.why_not);
    }

    // A new release changes nothing for those who do not use its archive.
    bool concerns(const Subject& subject) const
    {
        return next_ == nullptr ||
               std::any_of(subject.sources.begin(), subject.sources.end(), [&](const Source& one) {
                   return one.suite == next_->suite &&
                          stock_.front_.find_by_url(one.uri) == next_->archive;
               });
    }

    void add_requested()
    {
        if (next_ != nullptr) {
            const auto view = next_->archive->view();
            const catalog::SuiteView* suite = view->find(next_->suite);
            if (suite != nullptr && suite->current)
                add_successors(*next_->archive, next_->suite, *suite->current, *next_->generation);
            return;
        }
        const auto routes = stock_.front_.routes();
        for (const auto& archive : routes->archives) {
            const auto view = archive->view();
            for (const auto& [name, suite] : view->suites)
                if (suite.current && !suite.recent.empty())
                    add_successors(*archive, name, *suite.recent.front(), *suite.current);
        }
    }

    void add_successors(const archive::Archive& archive, const std::string& suite,
                        const catalog::Generation& before, const catalog::Generation& next)
    {
        const auto found = find_successors(stock_.services_.blobs, stock_.services_.private_marks,
                                           archive.settings().id, suite, before, next);
        if (!found)
            plan_.failures.push_back(suite + ": " + found.error().message());
        else
            for (const Needed& file : *found)
                wish(file, 0);
    }

    // A private archive gives for its clients' credentials only, when they ask.
    void wish(const Needed& file, std::size_t subjects)
    {
        const auto archive = stock_.front_.find_archive(file.archive);
        if (archive == nullptr || archive->settings().is_private)
            return;
        const auto [known, is_new] = wishes_.try_emplace(file.digest, Wish{{archive, file}, 0, 0});
        known->second.subjects += subjects;
    }

    // Newest versions first: the older ones of a package are for machines that are held back. Then
    // what most want, and what costs least.
    std::vector<Wish> ordered()
    {
        std::vector<Wish> all;
        for (auto& [digest, wish] : wishes_)
            all.push_back(std::move(wish));
        const auto name = [](const Wish& wish) {
            const Needed& file = wish.wanted.file;
            return std::tie(file.package, file.architecture);
        };
        std::sort(all.begin(), all.end(), [&](const Wish& a, const Wish& b) {
            if (name(a) != name(b))
                return name(a) < name(b);
            return deb::compare_versions(a.wanted.file.version, b.wanted.file.version) > 0;
        });
        for (std::size_t i = 1; i < all.size(); ++i)
            if (name(all[i]) == name(all[i - 1]))
                all[i].newer = all[i - 1].newer + 1;
        const auto rank = [](const Wish& wish) {
            const Needed& file = wish.wanted.file;
            return std::tuple(wish.newer, ~wish.subjects, file.digest.size_bytes,
                              std::string_view(file.path));
        };
        std::sort(all.begin(), all.end(),
                  [&](const Wish& a, const Wish& b) { return rank(a) < rank(b); });
        return all;
    }

    void choose()
    {
        const std::uint64_t budget = stock_.settings_.load()->budget_bytes;
        plan_.wanted = wishes_.size();
        for (Wish& wish : ordered()) {
            const Needed& file = wish.wanted.file;
            if (file.is_held) {
                ++plan_.held;
            } else if (file.digest.size_bytes > budget) {
                plan_.too_large.push_back(file.path);
            } else if (plan_.bytes + file.digest.size_bytes > budget) {
                ++plan_.left_out;
            } else {
                plan_.bytes += file.digest.size_bytes;
                plan_.missing.push_back(std::move(wish.wanted));
            }
        }
    }

    const Stock& stock_;
    const Next* const next_;
    const std::function<bool()>& goes_on_;
    std::unordered_map<Digest, Wish, DigestHash> wishes_;
    Plan plan_;
};

Stock::Plan Stock::plan(const Next* next, const std::function<bool()>& goes_on) const
{
    return Planning(*this, next, goes_on).make();
}

}  // namespace aptward::stock
