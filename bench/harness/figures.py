# SPDX-License-Identifier: Apache-2.0
"""Several runs as one: medians, spread, and ratios of what ran in the same turn."""
import statistics

MARKS = ("p50", "p99", "p999")


def spread(values):
    """Half of the way from the least to the most, as a share of the median; None of one value."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / 2 / middle if middle and len(values) > 1 else None


def ratio(runs, others, member):
    """Median of the ratios of runs that stood side by side; None without others."""
    pairs = [(a[member], b[member]) for a, b in zip(runs, others or []) if b[member]]
    return statistics.median(a / b for a, b in pairs) if pairs else None


def median_of(runs, *path):
    """Of a member, or a member of a member; None where a run lacks it."""
    values = []
    for run in runs:
        for name in path:
            run = run.get(name) if run else None
        values.append(run)
    return None if None in values else statistics.median(values)


def added_ms(runs):
    """What the program adds to each percentile: through it minus direct, of the same turn."""
    if "through_us" not in runs[0]:
        return None
    return {mark: statistics.median((r["through_us"][mark] - r["direct_us"][mark]) / 1000
                                    for r in runs) for mark in MARKS}


def in_ms(runs, member, marks):
    """Medians of a member's percentiles, in milliseconds."""
    if None in (r.get(member) for r in runs):
        return None
    return {mark: median_of(runs, member, mark) / 1000 for mark in marks}


def summary(work, runs, nginx_runs):
    """One target of one work."""
    bad = {"bad": sum(r["bad"] for r in runs),
           "fault": next((r["fault"] for r in runs if r["fault"]), None)}
    if work.cancel_after:
        return {**bad, "closed_ms": in_ms(runs, "closed_us", ("p50", "p99", "max"))}
    return {
        **bad,
        "per_s": median_of(runs, "per_s"),
        "cpu_us": median_of(runs, "cpu_us"),
        "cpu_spread": spread([r["cpu_us"] for r in runs]),
        "cpu_to_nginx": ratio(runs, nginx_runs, "cpu_us"),
        "per_s_to_nginx": ratio(runs, nginx_runs, "per_s"),
        "added_ms": added_ms(runs),
        "first_ms": in_ms(runs, "first_us", (*MARKS, "max")) if work.stream else None,
        "gap_ms": in_ms(runs, "gap_us", (*MARKS, "max")) if work.every_ms else None,
        "start_ms": median_of(runs, "start_ms"),
        "start_mib": median_of(runs, "start_kib") / 1024,
        "load_mib": median_of(runs, "load_kib") / 1024,
        "each_kib": median_of(runs, "each_kib"),
        "allocations": median_of(runs, "allocated", "calls"),
        "allocated_kib": allocated_kib(runs),
    }


def allocated_kib(runs):
    size = median_of(runs, "allocated", "bytes")
    return None if size is None else size / 1024
