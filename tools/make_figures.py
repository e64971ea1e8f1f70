#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes pages of docs/ from docs/evidence/*.json (see pages()); figures are never typed.

With --check: fails when a page is not what the evidence gives.
"""
import json
import pathlib
import sys

import neighbours_page
import performance_page

root = pathlib.Path(__file__).resolve().parents[1]


def attacks_page(evidence):
    systems = evidence["systems"]
    lines = ["# Attacks, side by side", "",
             f"Real apt {evidence['apt']} in private roots against a misbehaving origin: alone, through apt-cacher-ng",
             f"{evidence['apt-cacher-ng']}, and through Aptward, also with a second, healthy source. Each cell: what a client",
             f"got during the attack and after how long; then whether clients work within {evidence['patience_seconds']} s of the origin's",
             f"healing, without anybody's help. More than {evidence['limit_seconds']} s counts as hanging. Measured at commit",
             f"{evidence['commit'][:12]} ({evidence['program']} build) on {evidence['cores']} cores; made by tools/make_figures.py.", "",
             "| attack | " + " | ".join(systems) + " |", "|---" * (len(systems) + 1) + "|"]
    if any(result["client"] == "older" for case in evidence["cases"] for result in case["results"].values()):
        lines[-3:-3] = ["Older: a whole release, but not the newest that the vendor has published."]
    for case in evidence["cases"]:
        cells = []
        for system in systems:
            result = case["results"][system]
            cell = f"{result['client']}, {result['seconds']} s; next {result['next']}"
            if "megabytes_taken" in result:
                cell += f" ({result['megabytes_taken']} MB taken)"
            cells.append(f"**{cell}**" if result["client"] in ("wrong", "hangs") or result["next"] == "fails"
                         else cell)
        lines.append(f"| {case['id']}: {case['what']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def outage_page(evidence):
    """A cell counts packages; the lines above say who wanted them."""
    systems, down, up = evidence["systems"], evidence["minutes_down"], evidence["minutes_up"]
    lines = ["# The outage, side by side", "",
             f"{evidence['trace'][0].upper()}{evidence['trace'][1:]}: {evidence['silences']} silences, {down} of "
             f"{down + up} minutes ({100 * down / (down + up):.0f} %),",
             f"replayed {evidence['speed']} times as fast against one upstream: closed in every second silence, 503 in the others. In each",
             "moment of service the vendor publishes twice, each time two new packages and an update of one that was fetched before; a",
             "client by each way takes one of the new ones, and nobody the others. Aptward has a list of everything (`[[stock-list]]`, \"*\").",
             f"Real apt {evidence['apt']} by itself, through apt-cacher-ng {evidence['apt-cacher-ng']}, from nginx {evidence['nginx']} with `proxy_cache_use_stale`",
             "(which proves nothing), and through Aptward. Programs are not sped up: what they do after a minute they do after a minute",
             f"here too. Each cell: packages had, of those wanted. Measured at commit {evidence['commit'][:12]} ({evidence['program']} build) on",
             f"{evidence['cores']} cores by `./dev compare outage`; made by tools/make_figures.py.", "",
             "| | " + " | ".join(systems) + " |", "|---" * (len(systems) + 1) + "|"]
    for row in evidence["rows"]:
        cells = [f"{row['got'][system]['got']} of {row['got'][system]['of']}" for system in systems]
        lines.append(f"| {row['what']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def mutants_page(evidence):
    lines = ["# Mutants", "",
             f"{evidence['count']} patches, each of which breaks one law or rule, and the test that failed because of it, the same",
             "tests having passed without any. A name starts with the laws and rules that it breaks (docs/architecture.md,",
             f"docs/claims.md); the patches are in tests/mutants. Run by `./dev mutants` at commit {evidence['commit'][:12]};",
             "made by tools/make_figures.py.", "", "| what is broken | killed by |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | `{test}` |" for name, test in evidence["killed"].items()]
    return "\n".join(lines) + "\n"


def deep_page(evidence):
    lines = ["# The deep run", "",
             "What takes too long for CI, each part as it last passed; `./dev deep [PART...]` runs and records them;",
             "made by tools/make_figures.py.", "",
             "| part | passed | minutes | commit |", "|---|---|---|---|"]
    lines += [f"| {name}: {part['what']} | {part['passed']} | {part['seconds'] / 60:.0f} | {part['commit'][:12]} |"
              for name, part in evidence.items()]
    notes = [f"- {what}: {value}" for part in evidence.values() for what, value in part["noted"].items()]
    skipped = [f"- {line}" for part in evidence.values() for line in part["skipped"]]
    lines += ["", "Counted in them:", "", *notes] if notes else []
    lines += ["", "Skipped:", "", *skipped] if skipped else ["", "Nothing was skipped."]
    return "\n".join(lines) + "\n"


def pages():
    """Path below docs/ and text of every page for which there is evidence."""
    found = {file.stem: json.loads(file.read_text()) for file in sorted((root / "docs/evidence").glob("*.json"))}
    if "attacks" in found:
        yield "attacks.md", attacks_page(found["attacks"])
    if "outage" in found:
        yield "outage.md", outage_page(found["outage"])
    if "mutants" in found:
        yield "mutants.md", mutants_page(found["mutants"])
    if "deep" in found:
        yield "deep.md", deep_page(found["deep"])
    if "neighbours" in found:
        yield "neighbours.md", neighbours_page.neighbours_page(found["neighbours"], found.get("manners"))
        yield "neighbours.svg", neighbours_page.chart(found["neighbours"])
    measured = {name: found[name] for name in performance_page.SECTIONS if name in found}
    if measured:
        yield "performance.md", performance_page.performance_page(measured)
        yield "performance.svg", performance_page.chart(measured)


def main():
    bad = 0
    for page, text in pages():
        target = root / "docs" / page
        if "--check" not in sys.argv:
            target.write_text(text)
        elif not target.exists() or target.read_text() != text:
            print(f"docs/{page} is not what docs/evidence gives: run tools/make_figures.py")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
