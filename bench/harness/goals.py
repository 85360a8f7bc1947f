# SPDX-License-Identifier: Apache-2.0
"""What was set out to reach, and whether it is."""


def to_nginx(work):
    return lambda works: works[work]["gateway"]["cpu_to_nginx"]


def figure(work, *path):
    def value(works):
        found = works[work]["gateway"]
        for name in path:
            found = found[name]
        return found
    return value


def between(work, other, member):
    return lambda works: works[work]["gateway"][member] / works[other]["gateway"][member]


# What it is, the most it may be, where it is found.
GOALS = (
    ("a request of 2 KB, CPU to nginx", 1.3, to_nginx("a")),
    ("added at half load, p99 ms", 0.5, figure("a", "added_ms", "p99")),
    ("a request of 100 KB, CPU to nginx", 1.3, to_nginx("b")),
    ("a chunk, 64 streams, CPU to nginx", 1.3, to_nginx("c-64")),
    ("a chunk, 1,000 streams, CPU to nginx", 1.3, to_nginx("c-1000")),
    ("a stream in one burst, CPU to nginx", 1.5, to_nginx("c-burst")),
    ("an EngineLabs stream at full speed, CPU to nginx", 1.3, to_nginx("d-fast")),
    ("an EngineLabs frame, 64 streams, CPU to nginx", 1.3, to_nginx("d-64")),
    ("an EngineLabs stream in one burst, CPU us", 150, figure("d-burst", "cpu_us")),
    ("an open EngineLabs stream, KiB", 20, figure("d-open", "each_kib")),
    ("all open EngineLabs streams, MiB", 256, figure("d-open", "load_mib")),
    ("requests a second, upstream near to 50 ms away", 1.25, between("a", "e", "per_s")),
    ("EngineLabs streams a second, near to 50 ms away", 1.25,
     between("d-fast", "e-engine", "per_s")),
    ("with keys, limits, log, usage, SQLite: CPU to without", 1.15, between("g", "a", "cpu_us")),
    ("client gone to upstream closed, p99 ms", 10, figure("cancel", "closed_ms", "p99")),
    ("the same of EngineLabs, p99 ms", 10, figure("cancel-engine", "closed_ms", "p99")),
)


def reached(results):
    """(what, most, measured) of those goals whose works were measured."""
    works = {work["name"]: work["targets"] for work in results["works"]}
    found = []
    for what, most, value in GOALS:
        try:
            found.append((what, most, value(works)))
        except (KeyError, TypeError):
            continue  # that work was not chosen, or its target is missing
    return found
