# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/neighbours.md and docs/neighbours.svg from the evidence of ./dev bench neighbours and manners."""
from bar_chart import bar_chart

MOST_COPIES, MOST_TIME = 1.1, 1.5
COUNTED = 8  # nodes, for which the time was asked for


def together(evidence):
    return [row for row in evidence["rows"] if row["near"]]


def manners_part(evidence):
    """What clients notice of greedy nodes; evidence of `./dev bench manners`."""
    hows = {"alone": "none", "as nodes": "ask as nodes do", "as clients": "ask for the same as clients"}
    lines = ["", "## Clients beside greedy nodes", "",
             f"A client asks {evidence['per_second']} times a second for files of {evidence['small_bytes'] // 1000} kB that are in memory, while {evidence['greedy']} other"
             f" nodes read files of {evidence['large_bytes'] // 1_000_000} MB from the disk as fast",
             f"as they can, over links of {evidence['link'].replace('mbit', ' Mbit/s')} each; the page cache is emptied every second, without them as well. Node and greedy ones share one"
             " core, the client has the other.",
             f"Medians of {evidence['rounds']} rounds; the ratio is the median of the rounds' ratios. Measured at commit {evidence['commit'][:12]} ({evidence['program']} build) by"
             " `./dev bench manners`.", "",
             "| greedy nodes | given to them | p50 | p99 | the longest | p99 against none |", "|---|---|---|---|---|---|"]
    for row in evidence["rows"]:
        lines.append(f"| {hows[row['how']]} | {row['greedy_bytes_per_s'] / 1e6:.0f} MB/s | {row['p50_ms']:.2f} ms | {row['p99_ms']:.2f} ms | "
                     f"{row['most_ms']:.0f} ms | {row['ratio']:.2f} |")
    return "\n".join(lines) + "\n"


def neighbours_page(evidence, manners=None):
    rows = together(evidence)
    alone = next(row for row in rows if row["nodes"] == 1)
    lines = ["# Nodes behind one line", "",
             f"1 to {rows[-1]['nodes']} nodes, each with a real apt that has nothing yet: all update and install the same {evidence['packages']} packages of"
             f" {evidence['bytes'] / 1000:.0f} kB at the",
             f"same time, over a line of {evidence['rate'].replace('mbit', ' Mbit/s')} to the vendor. A copy is the list and the packages once; what the vendor sent counts"
             " whole, heads and the",
             f"release for each node included. All of it runs on one machine with {evidence['cores']} cores: beyond 8 nodes and as many apts the cores are the limit,"
             " not the line.",
             f"Measured at commit {evidence['commit'][:12]} ({evidence['program']} build) by `./dev bench neighbours`; made by tools/make_figures.py.", "",
             "![copies](neighbours.svg)", "",
             "| nodes | | copies from the vendor | seconds until the last client had all | against one node |",
             "|---|---|---|---|---|"]
    for row in evidence["rows"]:
        how = "near each other" if row["near"] else "that know nothing of each other"
        lines.append(f"| {row['nodes']} | {how if row['nodes'] > 1 else ''} | {row['copies']:.2f} | {row['seconds']:.1f} | "
                     f"{row['seconds'] / alone['seconds']:.2f} |")
    return "\n".join(lines) + "\n" + (manners_part(manners) if manners else "")


def chart(evidence):
    rows = together(evidence)
    alone = next(row for row in rows if row["nodes"] == 1)
    bars = [(f"copies for {row['nodes']} nodes", MOST_COPIES / row["copies"],
             f"{row['copies']:.2f} (wanted: at most {MOST_COPIES})") for row in rows]
    bars += [(f"time of {row['nodes']} nodes against one", MOST_TIME * alone["seconds"] / row["seconds"],
              f"{row['seconds'] / alone['seconds']:.2f} (wanted: at most {MOST_TIME})")
             for row in rows if row["nodes"] == COUNTED]
    return bar_chart("The same 300 packages for all nodes behind one line", bars)
