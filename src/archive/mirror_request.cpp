// SPDX-License-Identifier: GPL-3.0-or-later
// The options of a mirror job as JSON.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "archive/mirror_job.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;

/// Takes what is there by its key; the first that is something else is kept as the mistake.
class Reader {
public:
    explicit Reader(const Json& json) : json_(json) {}

    template <class Value>
    void take(const char* key, Value& value, bool (Json::*is_right)() const noexcept,
              const char* what)
    {
        const auto found = json_.find(key);
        if (found == json_.end() || found->is_null())
            return;
        if (((*found).*is_right)())
            value = found->get<Value>();
        else
            refuse(key, what);
    }

    void take(const char* key, std::vector<std::string>& list)
    {
        const auto found = json_.find(key);
        if (found == json_.end() || found->is_null())
            return;
        const bool is_list =
            found->is_array() && std::all_of(found->begin(), found->end(), [](const Json& one) {
                return one.is_string() && !one.get_ref<const std::string&>().empty();
            });
        if (is_list)
            list = found->get<std::vector<std::string>>();
        else
            refuse(key, "a list of texts");
    }

    Result<void> result() const
    {
        if (mistake_.empty())
            return {};
        return fail(Errc::malformed, mistake_);
    }

private:
    void refuse(const char* key, const char* what)
    {
        if (mistake_.empty())
            mistake_ = fmt::format("\"{}\" of a mirror job is {}", key, what);
    }

    const Json& json_;
    std::string mistake_;
};

}  // namespace

Result<MirrorRequest> parse_mirror_request(std::string_view text)
{
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object())
        return fail(Errc::malformed, "a mirror job is asked for with a JSON object");
    MirrorRequest request;
    Selection& selection = request.selection;
    Reader reader(json);
    reader.take("archive", request.archive, &Json::is_string, "the id of an archive");
    reader.take("suites", request.suites);
    reader.take("components", selection.components);
    reader.take("architectures", selection.architectures);
    reader.take("sections", selection.sections);
    reader.take("packages", selection.packages);
    reader.take("recommends", selection.has_recommends, &Json::is_boolean, "true or false");
    reader.take("sources", selection.has_sources, &Json::is_boolean, "true or false");
    reader.take("contents", selection.has_contents, &Json::is_boolean, "true or false");
    reader.take("rate", request.rate_bytes_per_s, &Json::is_number_unsigned,
                "a number of bytes per second");
    TRY_VOID(reader.result());
    if (request.archive.empty())
        return fail(Errc::malformed, "\"archive\" of a mirror job is the id of an archive");
    return request;
}

std::string to_json(const MirrorRequest& request)
{
    const Selection& selection = request.selection;
    return Json({{"kind", kMirror},
                 {"archive", request.archive},
                 {"suites", request.suites},
                 {"components", selection.components},
                 {"architectures", selection.architectures},
                 {"sections", selection.sections},
                 {"packages", selection.packages},
                 {"recommends", selection.has_recommends},
                 {"sources", selection.has_sources},
                 {"contents", selection.has_contents},
                 {"rate", request.rate_bytes_per_s}})
        .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aptward::archive
