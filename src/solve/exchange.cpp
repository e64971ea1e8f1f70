// SPDX-License-Identifier: GPL-3.0-or-later
// What parent and child write to each other.
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_shape.h"
#include "solve/apt_solver.h"

namespace aptward::solve {
namespace {

using Json = nlohmann::json;

/// What `fill` takes from the object that `json` is.
template <class Value, class Fill>
Result<Value> parse(std::string_view json, const Fill& fill)
{
    const Json object = Json::parse(json, nullptr, false);
    if (!object.is_object())
        return fail(Errc::malformed, "it is no JSON object");
    try {
        Value value;
        fill(object, value);
        return value;
    } catch (const Json::exception& error) {
        return fail(Errc::malformed, error.what());
    }
}

std::string text_of(const Json& json)
{
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Question& question)
{
    return {{"kind", static_cast<int>(question.kind)}, {"packages", question.packages}};
}

Json to_json(const Package& package)
{
    Json places = Json::array();
    for (const Package::Place& place : package.places)
        places.push_back({place.suite, place.path});
    return {{"name", package.name},
            {"version", package.version},
            {"architecture", package.architecture},
            {"places", std::move(places)}};
}

Package package_of(const Json& json)
{
    Package package{json.at("name"), json.at("version"), json.at("architecture"), {}};
    for (const Json& place : json.at("places"))
        package.places.push_back({place.at(0), place.at(1)});
    return package;
}

Json to_json(const Answer& answer)
{
    Json phased_out = Json::array();
    for (const PhasedOut& one : answer.phased_out)
        phased_out.push_back({one.name, one.version, one.percentage});
    return {{"why_not", answer.why_not},
            {"needs", answer.needs},
            {"removes", answer.removes},
            {"unlisted", answer.unlisted},
            {"phased_out", std::move(phased_out)}};
}

Answer answer_of(const Json& json, std::size_t packages)
{
    Answer answer{json.at("why_not"), {}, json.at("removes"), json.at("unlisted"), {}};
    const std::set<std::size_t> needs = json.at("needs");
    for (const std::size_t number : needs)
        if (number < packages)
            answer.needs.push_back(number);
    for (const Json& one : json.at("phased_out"))
        answer.phased_out.push_back({one.at(0), one.at(1), one.at(2)});
    return answer;
}

}  // namespace

std::string to_json(const Setting& setting)
{
    Json questions = Json::array();
    for (const Question& question : setting.questions)
        questions.push_back(to_json(question));
    return text_of({{"architectures", setting.architectures},
                    {"settings", setting.settings},
                    {"lists", setting.lists},
                    {"questions", std::move(questions)}});
}

Result<Setting> parse_setting(std::string_view json)
{
    return parse<Setting>(json, [](const Json& object, Setting& setting) {
        setting.architectures = object.at("architectures").get<std::vector<std::string>>();
        setting.settings = object.at("settings").get<std::map<std::string, std::string>>();
        setting.lists = object.at("lists").get<std::map<std::string, std::size_t>>();
        for (const Json& question : object.at("questions"))
            setting.questions.push_back(
                {static_cast<Question::Kind>(question.at("kind").get<int>()),
                 question.at("packages")});
    });
}

std::string to_json(const Solution& solution)
{
    Json packages = Json::array(), answers = Json::array();
    for (const Package& package : solution.packages)
        packages.push_back(to_json(package));
    for (const Answer& answer : solution.answers)
        answers.push_back(to_json(answer));
    return text_of({{"packages", std::move(packages)}, {"answers", std::move(answers)}});
}

Result<Solution> parse_solution(std::string_view json)
{
    // The child may have been taken over by what it read.
    constexpr std::size_t kDeepest = 6, kMostValues = 2'000'000;
    if (!is_modest_json(json, kDeepest, kMostValues))
        return fail(Errc::malformed, "apt's solver answers more than there is to say");
    return parse<Solution>(json, [](const Json& object, Solution& solution) {
        for (const Json& package : object.at("packages"))
            solution.packages.push_back(package_of(package));
        for (const Json& answer : object.at("answers"))
            solution.answers.push_back(answer_of(answer, solution.packages.size()));
    });
}

}  // namespace aptward::solve
