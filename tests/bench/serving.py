# SPDX-License-Identifier: GPL-3.0-or-later
"""Held files under load beside nginx, apt-cacher-ng and approx."""
import statistics
import urllib.request

from peers import version_of
from rounds import SECONDS, compare, interleave, load, rounds_of, significant, upper_bound
from stage import SIZES, Stage, cipher_of

PROXIES = ("apt-cacher-ng", "approx")
REQUESTS, BYTES = "requests per server CPU second", "MB per server CPU second"


def per_cpu_second(result):
    return result["requests"] / result["cpu"]


def per_second(result):
    return result["requests"] / result["seconds"]


def megabytes_per_cpu_second(result):
    return result["bytes"] / result["cpu"] / 1e6


def medians(results, value):
    return {system: significant(statistics.median(value(each) for each in rounds))
            for system, rounds in results.items()}


def costs(results):
    """CPU per request and per byte, and the memory in the middle of the load."""
    return {"cpu_us_per_request": medians(results, lambda each: each["cpu"] / each["requests"] * 1e6),
            "cpu_ns_per_byte": medians(results, lambda each: each["cpu"] / each["bytes"] * 1e9),
            "requests_per_second": medians(results, per_second),
            "resident_mb": medians(results, lambda each: each["resident"] / 1e6),
            "anonymous_mb": medians(results, lambda each: each["anonymous"] / 1e6)}


def take_turns(usual, urls, **how):
    """Rounds of one load on each system; `urls` maps them to (process, URL). What breaks connections under it is
    no peer to be equal to, but is shown with that."""
    return interleave(rounds_of(usual), {
        system: lambda pid=pid, url=url, may_break=system in PROXIES: load(pid, url, may_break=may_break, **how)
        for system, (pid, url) in urls.items()})


def values_of(results, value):
    return {system: list(map(value, rounds)) for system, rounds in results.items()}


def beside(measure, urls, unit, value, **how):
    results = take_turns(5, urls, **how)
    return compare(measure, unit, values_of(results, value), **costs(results), **how)


def urls_of(stage, node, size, is_tls=False):
    place = stage.files[size]
    return {"Aptward": (node.process.pid, f"{node.tls_url if is_tls else node.proxy}/test/{place}"),
            "nginx": (stage.nginx.pid, f"{stage.nginx.tls_url if is_tls else stage.nginx.url}/{place}")}


def serving(folder):
    """10 kB and 50 kB in requests, 1 MB and 20 MB in bytes."""
    with Stage(folder) as stage:
        node = stage.one_core_node()
        rows = [beside(size, urls_of(stage, node, size), REQUESTS, per_cpu_second, connections=32)
                for size in ("10 kB", "50 kB")]
        # Few connections for what is large: a download takes as long as all of them together.
        rows += [beside(size, urls_of(stage, node, size), BYTES, megabytes_per_cpu_second,
                        connections=connections) for size, connections in (("1 MB", 32), ("20 MB", 8))]
    return {"rows": rows, "nginx": version_of("nginx")}


def pipelined(folder):
    """10 requests in one piece, as apt sends them."""
    with Stage(folder, ["10 kB"]) as stage:
        node = stage.one_core_node()
        rows = [beside("10 kB, pipelined 10 deep", urls_of(stage, node, "10 kB"), REQUESTS,
                       per_cpu_second, connections=32, depth=10)]
    return {"rows": rows}


def tls(folder):
    """TLS 1.3 with an ECDSA P-256 certificate."""
    with Stage(folder, ["10 kB", "1 MB"]) as stage:
        node = stage.one_core_node()
        cipher = cipher_of(node.tls_url)
        assert cipher == cipher_of(stage.nginx.tls_url), "the same cipher, or it is no comparison"
        rows = [beside("10 kB over TLS", urls_of(stage, node, "10 kB", True), REQUESTS,
                       per_cpu_second, connections=32),
                beside("1 MB over TLS", urls_of(stage, node, "1 MB", True), BYTES,
                       megabytes_per_cpu_second, connections=32)]
    return {"rows": rows, "cipher": cipher}


def latency(folder):
    """p99 at 200 kB, with the upper 95 % bound of its ratio."""
    with Stage(folder, ["200 kB"]) as stage:
        results = values_of(take_turns(10, urls_of(stage, stage.one_core_node(), "200 kB")),
                            lambda each: each["p99_ms"])
    bound = upper_bound([ours / theirs for ours, theirs in zip(results["Aptward"], results["nginx"])])
    return {"rows": [compare("p99 at 200 kB", "ms", results, connections=32, upper_95=significant(bound),
                             bound="Student's t of the logarithms of the rounds' ratios, one-sided")]}


def peers(folder):
    """Small and large files beside the proxies for apt: per CPU second, and as clients see it."""
    rows = []
    with Stage(folder, ["10 kB", "1 MB"]) as stage:
        node, cacher, approx = stage.one_core_node(), stage.cacher(), stage.approx()
        for size in ("10 kB", "1 MB"):
            urls = urls_of(stage, node, size)
            urls["apt-cacher-ng"] = (cacher.pid, f"{cacher.url}/127.0.0.1:{stage.nginx.port}/{stage.files[size]}")
            urls["approx"] = (approx.pid, f"{approx.url}/test/{stage.files[size]}")
            for _, url in urls.values():  # the first one fetches the file
                with urllib.request.urlopen(url) as answer:
                    assert len(answer.read()) == SIZES[size]
            # Longer than elsewhere: approx starts a process for each connection, which counts.
            results = take_turns(3, urls, seconds=3 * SECONDS)
            counts = {kind: {system: sum(each[kind] for each in results[system]) for system in PROXIES}
                      for kind in ("requests", "broken")}
            measure = f"{size} beside the proxies for apt"
            rows += [compare(measure, REQUESTS, values_of(results, per_cpu_second), **costs(results)),
                     compare(measure + ", by time", "requests per second", values_of(results, per_second), **counts)]
        versions = {"apt-cacher-ng": stage.cacher_version, "approx": stage.approx_version}
    return {"rows": rows, **versions}
