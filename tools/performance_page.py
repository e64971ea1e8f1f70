# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/performance.md and docs/performance.svg from the evidence of ./dev bench: what was wanted stands here,
what was measured stands in the evidence."""
from bar_chart import bar_chart

SECTIONS = ("serving", "pipelined", "tls", "latency", "peers", "apt", "adoption", "start", "idle", "mirrors",
            "million", "failover")


class Aim:
    """`peer`: the ratio to it counts; None: the value itself."""

    def __init__(self, peer, sense, number, unit=""):
        self.peer, self.sense, self.number, self.unit = peer, sense, number, unit

    def __str__(self):
        sign = "at least" if self.sense == "least" else "at most"
        return f"{sign} {self.number}x {self.peer}" if self.peer else f"{sign} {self.number} {self.unit}"

    def measured(self, row):
        if self.peer is None:
            return row["values"]["Aptward"]
        return row.get("upper_95") or row["ratios"][self.peer]["median"]

    def score(self, row):
        """1 is just what was wanted, more is better."""
        measured = max(self.measured(row), 1e-9)
        return measured / self.number if self.sense == "least" else self.number / measured


def more(number, peer="nginx"):
    return Aim(peer, "least", number)


def less(number, peer="nginx"):
    return Aim(peer, "most", number)


MILLION_JOBS = ("a scrub", "a dry collection", "a collection")
AIMS = {
    "10 kB": more(1.15), "50 kB": more(1.05), "1 MB": more(1.0), "20 MB": more(1.0),
    "10 kB, pipelined 10 deep": more(1.4),
    "10 kB over TLS": more(1.2), "1 MB over TLS": more(1.2),
    "p99 at 200 kB": less(1.1),
    "10 kB beside the proxies for apt": more(20, "apt-cacher-ng"),
    "10 kB beside the proxies for apt, by time": more(20, "apt-cacher-ng"),
    "apt-get update": less(1.03), "download of 200 packages": less(1.03),
    "adoption of 64,000 packages, gz listed": less(0.35, "xz -dc"),
    "adoption of 64,000 packages, only xz listed": less(1.15, "xz -dc"),
    "with that archive adopted, anonymous memory": Aim(None, "most", 64, "MB"),
    "ready after a stop, 10^6 blobs": Aim(None, "most", 2, "s"),
    "ready after kill -9, 10^6 blobs": Aim(None, "most", 2, "s"),
    "mirror job: all of 2,000 packages, 256 MB": less(1.0, "apt-mirror"),
    "mirror job: 100 changed packages": less(1.0, "apt-mirror"),
    "10,000 idle connections, resident memory": Aim(None, "most", 100, "MB"),
    "10,000 idle connections, anonymous memory": Aim(None, "most", 100, "MB"),
} | {f"p99 of hits during {job} of 10^6 blobs": less(1.2, "idle") for job in MILLION_JOBS} | {
    f"memory during {job} of 10^6 blobs, resident": Aim(None, "most", 100, "MB") for job in MILLION_JOBS}
FAILOVER_AIMS = {"cold": Aim(None, "most", 5, "s"), "download": Aim(None, "most", 5, "s"),
                 "warm": Aim(None, "most", 1, "s")}


def text_of(number):
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def result_of(aim, row):
    if aim is None:
        return "", ""
    return str(aim), "reached" if aim.score(row) >= 1 else "**not reached**"


def rows_of(evidence, sections):
    return [row for name in sections if name in evidence for row in evidence[name]["rows"]]


def main_table(evidence):
    lines = ["| what | unit | Aptward | beside it | ratio (least to most of the rounds) | wanted | |",
             "|---|---|---|---|---|---|---|"]
    for row in rows_of(evidence, SECTIONS[:-1]):
        beside = ", ".join(f"{system} {text_of(value)}" for system, value in row["values"].items()
                           if system != "Aptward")
        ratios = ", ".join(f"{text_of(each['median'])}x {system} ({text_of(each['least'])} to {text_of(each['most'])}"
                           f" of {row['rounds']})" for system, each in row["ratios"].items())
        if row.get("upper_95"):
            ratios += f"; upper 95 % bound {text_of(row['upper_95'])}"
        for system, broken in row.get("broken", {}).items():
            ratios += f"; {system} broke {broken} of its {row['requests'][system]} requests" if broken else ""
        wanted, is_reached = result_of(AIMS.get(row["measure"]), row)
        lines.append(f"| {row['measure']} | {row['unit']} | {text_of(row['values']['Aptward'])} | {beside} | {ratios}"
                     f" | {wanted} | {is_reached} |")
    return lines


def cost_table(evidence):
    rows = [row for row in rows_of(evidence, SECTIONS) if "cpu_us_per_request" in row]
    if not rows:
        return []
    lines = ["", "## CPU and memory of the servers", "",
             "In the middle of the same loads; memory is summed over a server's processes (pages that they share count"
             " in each).", "",
             "| load | server | us of CPU per request | ns of CPU per byte | MB resident | MB anonymous |",
             "|---|---|---|---|---|---|"]
    for row in rows:
        for system in row["values"]:
            lines.append(f"| {row['measure']} | {system} | " + " | ".join(
                text_of(row[kind][system]) for kind in ("cpu_us_per_request", "cpu_ns_per_byte", "resident_mb",
                                                        "anonymous_mb")) + " |")
    return lines


def failover_table(evidence):
    if "failover" not in evidence:
        return []
    cases = {}
    for row in evidence["failover"]["rows"]:
        fault, state = row["measure"].split(", ")
        seconds = text_of(row["values"]["Aptward"])
        cases.setdefault(fault, {})[state] = seconds if FAILOVER_AIMS[state].score(row) >= 1 else \
            f"**{seconds}, not reached**"
    lines = ["", "## Failing over", "",
             "Seconds of a real `apt-get update` with two sources, one of them bad, by a node that knows nothing of"
             " them;", "of the download of one package after it; and of the next client's update.", "",
             "| the bad source | " + " | ".join(f"{state} (wanted: {aim})" for state, aim in FAILOVER_AIMS.items())
             + " |", "|---|---|---|---|"]
    return lines + [f"| {fault} | " + " | ".join(case[state] for state in FAILOVER_AIMS) + " |"
                    for fault, case in cases.items()]


def measured_at(evidence):
    by_commit = {}
    for name, each in evidence.items():
        key = f"commit {each['commit'][:12]} ({each['program']} build) on {each['cores']} cores of {each['processor']}," \
              f" kernel {each['kernel']}"
        by_commit.setdefault(key, []).append(name)
    return [f"- {key}: {', '.join(names)}" for key, names in by_commit.items()]


def chart(evidence):
    bars = []
    for row in rows_of(evidence, SECTIONS):
        if (aim := AIMS.get(row["measure"])) is not None:
            value = text_of(aim.measured(row))
            said = f"{value}x {aim.peer}" if aim.peer else f"{value} {aim.unit}"
            bars.append((row["measure"], aim.score(row), f"{said}; wanted {str(aim).removesuffix(f'x {aim.peer}')}"))
    return bar_chart("Measured against wanted", bars)


def performance_page(evidence):
    lines = ["# Performance, side by side", "",
             "Made by `tools/make_figures.py` from `docs/evidence/`, which `./dev bench` writes; measured on one machine,",
             "in rounds in which the systems take turns, medians. Servers run on one core with one serving thread each,",
             "the load (wrk, 32 keep-alive connections; 8 at 20 MB) on another; all on loopback, which charges part of the",
             "client's work to the server. Nginx has its best configuration for files (sendfile, tcp_nopush,",
             "open_file_cache, no log). approx starts a process for each connection, which counts. Mirror jobs may use",
             "all cores; the floor is curl, sha256sum and one sync, one after the other. Ratios are of the same round: compare",
             "columns, not absolute figures.", "", *measured_at(evidence), "",
             "![Measured against wanted](performance.svg)", "", *main_table(evidence)]
    return "\n".join(lines + cost_table(evidence) + failover_table(evidence)) + "\n"
