# SPDX-License-Identifier: Apache-2.0
"""Results as a table, for a terminal or in Markdown."""

HEADS = ("", "a second", "CPU us", "+-", "to nginx", "added p50/p99/p99.9 ms", "first p50/p99 ms",
         "gap p99/max ms", "RSS start/load MiB", "KiB each", "bad")


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def marks(values, names, digits=2):
    return "-" if not values else " / ".join(number(values[n], digits) for n in names)


def spread(s):
    return "-" if s["cpu_spread"] is None else f'{s["cpu_spread"]:.0%}'


def row(name, s, is_stream):
    return (name, number(s["per_s"], 0), number(s["cpu_us"]), spread(s),
            number(s["cpu_to_nginx"], 2), marks(s["added_ms"], ("p50", "p99", "p999")),
            marks(s["first_ms"], ("p50", "p99")) if is_stream else "-",
            marks(s["gap_ms"], ("p99", "max"), 1) if is_stream else "-",
            f'{number(s["start_mib"])} / {number(s["load_mib"])}', number(s["each_kib"]),
            str(s["bad"]))


def rows(work):
    return [row(name, s, work["stream"]) for name, s in work["targets"].items()]


def as_text(work):
    lines = [HEADS, *rows(work)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
    text = "\n".join("  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                                      for i, (cell, w) in enumerate(zip(line, widths))).rstrip()
                     for line in lines)
    return f'({work["name"]}) {work["title"]}; a {work["unit"]}\n{text}'


def as_markdown(work):
    lines = [HEADS, ("---",) + ("---:",) * (len(HEADS) - 1), *rows(work)]
    return f'**({work["name"]})** {work["title"]}; a {work["unit"]}:\n\n' + "\n".join(
        "| " + " | ".join(line) + " |" for line in lines) + "\n"
