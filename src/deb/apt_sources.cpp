// SPDX-License-Identifier: GPL-3.0-or-later
// The machine's apt sources, read by apt's own library: no second reader of sources.list and
// deb822 sources could agree with it for long.
#include <apt-pkg/aptconfiguration.h>
#include <apt-pkg/configuration.h>
#include <apt-pkg/error.h>
#include <apt-pkg/indexfile.h>
#include <apt-pkg/init.h>
#include <apt-pkg/metaindex.h>
#include <apt-pkg/pkgsystem.h>
#include <apt-pkg/sourcelist.h>

#include <algorithm>
#include <filesystem>

#include "deb/apt_messages.h"
#include "deb/deb.h"

namespace aptward::deb {
namespace {

constexpr const char* kArchitectureKey = "APT::Architecture";
constexpr const char* kSymbol = "$(ARCH)";

Result<void> configure(const std::string& root)
{
    _error->Discard();
    _config->Clear();
    _config->Set("Dir", root);
    if (!pkgInitConfig(*_config))
        return fail(Errc::malformed, "apt's configuration: " + take_apt_errors());
    // Asks dpkg for foreign architectures; without dpkg there is only the native one.
    if (!pkgInitSystem(*_config, _system))
        _error->Discard();
    return {};
}

// libapt-pkg replaces $(ARCH) in URIs while it parses them, and forgets. A client of another
// architecture needs the symbol, so for that moment the architecture is called like the symbol.
// The list of architectures is asked for first: libapt-pkg then keeps it.
class SymbolicArchitecture {
public:
    SymbolicArchitecture() : native_(_config->Find(kArchitectureKey))
    {
        APT::Configuration::getArchitectures();
        _config->Set(kArchitectureKey, kSymbol);
    }
    ~SymbolicArchitecture() { _config->Set(kArchitectureKey, native_); }
    SymbolicArchitecture(const SymbolicArchitecture&) = delete;
    SymbolicArchitecture& operator=(const SymbolicArchitecture&) = delete;

private:
    std::string native_;
};

void add_once(std::vector<std::string>& list, const std::string& word)
{
    if (!word.empty() && std::find(list.begin(), list.end(), word) == list.end())
        list.push_back(word);
}

std::string with_native_architecture(std::string text)
{
    const std::string native = _config->Find(kArchitectureKey);
    for (auto at = text.find(kSymbol); at != text.npos; at = text.find(kSymbol, at + native.size()))
        text.replace(at, std::string_view(kSymbol).size(), native);
    return text;
}

AptSource describe(const metaIndex& index)
{
    AptSource source;
    source.uri = index.GetURI();
    while (!source.uri.empty() && source.uri.back() == '/')
        source.uri.pop_back();
    source.suite = with_native_architecture(index.GetDist());
    source.signed_by = index.GetSignedBy();
    source.trusted = index.GetTrusted() == metaIndex::TRI_YES;
    for (const IndexTarget& target : index.GetIndexTargets()) {
        const std::string kind = target.Option(IndexTarget::CREATED_BY);
        if (kind != "Packages" && kind != "Sources")
            continue;
        add_once(source.components, target.Option(IndexTarget::COMPONENT));
        source.source = source.source || kind == "Sources";
        if (kind == "Packages") {
            source.binary = true;
            add_once(source.architectures, target.Option(IndexTarget::ARCHITECTURE));
        }
    }
    // apt tries "all" beside every other; whether it exists is the Release's to say.
    if (source.architectures.size() > 1)
        std::erase(source.architectures, "all");
    return source;
}

}  // namespace

Result<std::vector<AptSource>> read_apt_sources(const std::string& root)
{
    TRY_VOID(configure(root));
    pkgSourceList list;
    {
        const SymbolicArchitecture symbolic;
        if (!list.ReadMainList() || _error->PendingError())
            return fail(Errc::malformed, "apt's sources: " + take_apt_errors());
    }
    std::vector<AptSource> sources;
    for (const metaIndex* index : list)
        sources.push_back(describe(*index));
    take_apt_errors();
    return sources;
}

Result<std::map<std::string, std::string>> read_apt_settings(const std::vector<std::string>& names,
                                                             const std::string& root)
{
    TRY_VOID(configure(root));
    std::map<std::string, std::string> found;
    for (const std::string& name : names)
        if (_config->Exists(name))
            found[name] = _config->Find(name);
    return found;
}

std::vector<std::string> apt_architectures()
{
    return APT::Configuration::getArchitectures();
}

std::vector<std::string> default_apt_keyrings(const std::string& root)
{
    if (!configure(root)) {
        take_apt_errors();
        return {};
    }
    std::vector<std::string> found;
    std::error_code error;
    const std::string single = _config->FindFile("Dir::Etc::Trusted");
    if (std::filesystem::is_regular_file(single, error))
        found.push_back(single);
    std::filesystem::directory_iterator entries(_config->FindDir("Dir::Etc::TrustedParts"), error);
    std::vector<std::string> parts;
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        const std::filesystem::path& path = entries->path();
        const bool is_keyring = path.extension() == ".gpg" || path.extension() == ".asc";
        std::error_code unreadable;
        if (is_keyring && std::filesystem::is_regular_file(path, unreadable))
            parts.push_back(path.string());
    }
    std::sort(parts.begin(), parts.end());
    found.insert(found.end(), parts.begin(), parts.end());
    return found;
}

std::string native_architecture()
{
    if (!_config->Exists(kArchitectureKey) && !configure("/"))
        take_apt_errors();
    return _config->Find(kArchitectureKey);
}

}  // namespace aptward::deb
