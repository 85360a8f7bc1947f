# SPDX-License-Identifier: Apache-2.0
"""Results in files: as JSON, as a drawing, and in docs/performance.md between its marks."""
import json
import os

from harness import chart, goals, table
from harness.upstreams import ROOT

PAGE = os.path.join(ROOT, "docs/performance.md")
RESULTS = os.path.join(ROOT, "bench/results/latest.json")
BEGIN, END = "<!-- figures: bench/report writes what follows -->\n", "<!-- end of figures -->\n"


def noise(load):
    if load < 1:
        return "The machine was quiet."
    return (f"**The machine was busy with other work (load {load:g} at the beginning): times and "
            "throughput are worth little, and CPU is high for all.**")


def machine_line(results):
    m, s = results["machine"], results["settings"]
    return (f'{m["processor"]}, {m["processors"]} processors, {m["memory_gib"]} GiB, Linux '
            f'{m["kernel"]}, {m["descriptors"]:,} descriptors; commit {m["commit"]}'
            f'{", with changes" if m["changed"] else ""}, {m["date"]}; nginx {m["nginx"]}, Node '
            f'{m["node"]}; medians of {s["runs"]} x {s["seconds"]} s. '
            f'The program has {m["binary_kib"]:,} KiB. {noise(m["load"])}')


def goals_text(results):
    lines = ["| goal | at most | measured | |\n| --- | ---: | ---: | --- |\n"]
    for what, most, value in goals.reached(results):
        lines.append(f'| {what} | {most:g} | {value:.2f} | '
                     f'{"reached" if value <= most else "missed"} |\n')
    return "".join(lines)


def lost(results):
    """Where nginx is cheaper, the worst first."""
    found = [(w["targets"]["gateway"]["cpu_to_nginx"], w["title"]) for w in results["works"]
             if (w["targets"]["gateway"].get("cpu_to_nginx") or 0) > 1]
    return "".join(f"- {title}: {ratio:.2f} x\n" for ratio, title in sorted(found, reverse=True))


def page(results):
    parts = [machine_line(results) + "\n"]
    parts += [f"{name} is left out: {why}\n" for name, why in results["missing"].items()]
    parts += ["### Goals\n", goals_text(results)]
    parts += ["### Where nginx is cheaper\n", lost(results) or "Nowhere.\n"]
    parts += ["### All figures\n", *map(table.as_markdown, results["works"])]
    return "\n".join(parts)


def write(results, path):
    """The JSON at this path, and its drawing beside it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    with open(os.path.splitext(path)[0] + ".svg", "w") as f:
        f.write(chart.draw(results))


def update_page():
    """Puts the latest results into the page."""
    with open(RESULTS) as f:
        results = json.load(f)
    write(results, RESULTS)
    with open(PAGE) as f:
        before, _, rest = f.read().partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE} has no marks for the figures")
    with open(PAGE, "w") as f:
        f.write(before + BEGIN + "\n" + page(results) + "\n" + END + behind)
