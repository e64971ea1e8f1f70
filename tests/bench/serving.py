# SPDX-License-Identifier: GPL-3.0-or-later
"""Held files under load beside nginx, apt-cacher-ng and approx."""
import statistics

from peers import version_of
from rounds import SECONDS, compare, interleave, load, rounds_of, significant, upper_bound
from stage import Stage, cipher_of

REQUESTS, BYTES = "requests per server CPU second", "MB per server CPU second"


def per_cpu_second(result):
    return result["requests"] / result["cpu"]


def megabytes_per_cpu_second(result):
    return result["bytes"] / result["cpu"] / 1e6


def medians(results, value):
    return {system: significant(statistics.median(value(each) for each in rounds))
            for system, rounds in results.items()}


def costs(results):
    """CPU per request and per byte, and the memory in the middle of the load."""
    return {"cpu_us_per_request": medians(results, lambda each: each["cpu"] / each["requests"] * 1e6),
            "cpu_ns_per_byte": medians(results, lambda each: each["cpu"] / each["bytes"] * 1e9),
            "requests_per_second": medians(results, lambda each: each["requests"] / each["seconds"]),
            "resident_mb": medians(results, lambda each: each["resident"] / 1e6),
            "anonymous_mb": medians(results, lambda each: each["anonymous"] / 1e6)}


def beside(measure, urls, unit, value, usual=5, **how):
    """`urls` maps systems to (process, URL)."""
    results = interleave(rounds_of(usual), {
        system: lambda pid=pid, url=url: load(pid, url, **how) for system, (pid, url) in urls.items()})
    values = {system: [value(each) for each in rounds] for system, rounds in results.items()}
    return compare(measure, unit, values, **costs(results), **how)


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
        node = stage.one_core_node()
        results = interleave(rounds_of(10), {
            system: lambda pid=pid, url=url: load(pid, url)["p99_ms"]
            for system, (pid, url) in urls_of(stage, node, "200 kB").items()})
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
            for pid, url in urls.values():
                load(pid, url, connections=1, seconds=1)  # it fetches the file
            # Longer than elsewhere: approx starts a process for each connection, which counts.
            results = interleave(rounds_of(3), {
                system: lambda pid=pid, url=url: load(pid, url, seconds=2 * SECONDS) for system, (pid, url) in urls.items()})
            for unit, value in ((REQUESTS, per_cpu_second),
                                ("requests per second", lambda each: each["requests"] / each["seconds"])):
                rows.append(compare(f"{size} beside the proxies for apt, {unit}", unit,
                                    {system: list(map(value, each)) for system, each in results.items()},
                                    connections=32, **costs(results)))
        versions = {"apt-cacher-ng": stage.cacher_version, "approx": stage.approx_version}
    return {"rows": rows, **versions}
