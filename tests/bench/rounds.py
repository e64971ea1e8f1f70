# SPDX-License-Identifier: GPL-3.0-or-later
"""How every figure is taken: a load, the server's CPU seconds and memory; rounds in which the systems
take turns; medians, and ratios within the rounds.

Servers run on one core and the load on another, where there are two.
"""
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import time

ROUNDS = os.environ.get("ROUNDS")  # of every section, instead of its own number
SECONDS = int(os.environ.get("SECONDS", "2"))
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = ["taskset", "-c", str(CORES[0])] if len(CORES) > 1 else []
LOAD_CORE = ["taskset", "-c", str(CORES[1])] if len(CORES) > 1 else []
TICKS = os.sysconf("SC_CLK_TCK")


def rounds_of(usual):
    return int(ROUNDS or usual)


def processes(pid):
    """The process and everything below it."""
    found = [pid]
    for process in found:
        try:
            for task in pathlib.Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            pass  # it has just ended
    return found


def cpu_seconds(pid):
    """User and system time of the process, what lives below it and what has ended there. The scheduler counts
    nanoseconds for threads that live, and ticks with those that have ended."""
    total = 0.0
    for process in processes(pid):
        try:
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            own, of_children = (sum(map(int, pair)) / TICKS for pair in (fields[11:13], fields[13:15]))
            living = sum(int((task / "schedstat").read_text().split()[0])
                         for task in pathlib.Path(f"/proc/{process}/task").iterdir()) / 1e9
            total += max(own, living) + of_children
        except OSError:
            pass
    return total


def memory_of(pid):
    """Bytes resident, and of these anonymous; summed over the processes."""
    resident = anonymous = 0
    for process in processes(pid):
        try:
            status = pathlib.Path(f"/proc/{process}/status").read_text()
        except OSError:
            continue
        resident += sum(map(int, re.findall(r"^VmRSS:\s+(\d+)", status, re.M)))
        anonymous += sum(map(int, re.findall(r"^RssAnon:\s+(\d+)", status, re.M)))
    return {"resident": resident * 1024, "anonymous": anonymous * 1024}


def wait_idle(pid):
    """Until the server has done with the last load: processes per connection end after it."""
    deadline, count, cpu = time.monotonic() + 10, 0, -1.0
    while time.monotonic() < deadline:
        before, count, cpu = (count, cpu), len(processes(pid)), cpu_seconds(pid)
        if count == before[0] and cpu - before[1] < 0.005:
            return
        time.sleep(0.05)


def load(pid, url, connections=32, depth=1, seconds=SECONDS, may_break=False):
    """One load on the server that is process `pid`: what it did, took and held. `may_break`: connections may end
    before their answer or get none; they are counted."""
    wait_idle(pid)
    before = cpu_seconds(pid)
    wrk = subprocess.Popen(
        [*LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "--latency", "-s",
         pathlib.Path(__file__).parent / "load.lua", url, "--", str(depth)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(seconds / 2)
    memory = memory_of(pid)
    said = wrk.communicate()[0]
    wait_idle(pid)
    done = re.search(r"^{.*}$", said, re.M)
    assert wrk.returncode == 0 and done, said
    result = json.loads(done[0])
    assert result["requests"] > 0 and result["refused"] == 0 and (may_break or result["broken"] == 0), said
    return {**result, **memory, "cpu": cpu_seconds(pid) - before}


def interleave(count, systems):
    """`count` rounds of one measurement of each system, in another order every time; gives the results of
    each, in the order of the rounds. `systems` maps names to functions."""
    names = list(systems)
    results = {name: [] for name in names}
    for number in range(count):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            results[name].append(systems[name]())
    return results


# Student's t, one-sided 95 %, for 1 to 29 degrees of freedom.
T95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753,
       1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699)


def upper_bound(ratios):
    """The upper 95 % bound of the geometric mean of ratios (Student's t of their logarithms)."""
    if len(ratios) < 2:
        return None
    logs = [math.log(ratio) for ratio in ratios]
    quantile = T95[min(len(logs) - 1, len(T95)) - 1]
    return math.exp(statistics.mean(logs) + quantile * statistics.stdev(logs) / math.sqrt(len(logs)))


def row(measure, unit, rounds, values, ratios=None, **more):
    """One line of the evidence: `values` maps systems to their medians."""
    values = {system: significant(value) for system, value in values.items()}
    print(f"{measure}: " + ", ".join(f"{system} {value:g}" for system, value in values.items()) + f" {unit}"
          + "".join(f"; {each['median']:g}x {system}" for system, each in (ratios or {}).items()), flush=True)
    return {"measure": measure, "unit": unit, "rounds": rounds, "values": values, "ratios": ratios or {}, **more}


def compare(measure, unit, values, **more):
    """The row of systems that took turns: `values` maps them to their values in the rounds, Aptward's first."""
    ours = values["Aptward"]
    ratios = {system: [a / b for a, b in zip(ours, each)] for system, each in values.items() if each is not ours}
    return row(measure, unit, len(ours), {system: statistics.median(each) for system, each in values.items()},
               {system: {"median": significant(statistics.median(each)), "least": significant(min(each)),
                         "most": significant(max(each))} for system, each in ratios.items()}, **more)


def significant(number, digits=4):
    """Rounded to so many digits; more would promise what was not measured."""
    return number if number in (0, None) else float(f"{number:.{digits}g}")
