# SPDX-License-Identifier: Apache-2.0
"""Results as a table, for a terminal or in Markdown."""


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def marks(member, *names, digits=2):
    """A column of percentiles."""
    def cell(s):
        values = s.get(member)
        return " / ".join(number(values[n], digits) for n in names) if values else "-"
    return cell


def figure(member, digits=1):
    return lambda s: number(s.get(member), digits)


def percent(member):
    return lambda s: "-" if s.get(member) is None else f"{s[member]:.0%}"


COLUMNS = (
    ("a second", figure("per_s", 0)),
    ("CPU us", figure("cpu_us")),
    ("+-", percent("cpu_spread")),
    ("to nginx", figure("cpu_to_nginx", 2)),
    ("added p50/p99/p99.9 ms", marks("added_ms", "p50", "p99", "p999")),
    ("first p50/p99 ms", marks("first_ms", "p50", "p99")),
    ("gap p99/max ms", marks("gap_ms", "p99", "max", digits=1)),
    ("RSS start", figure("start_mib")),
    ("load MiB", figure("load_mib")),
    ("each KiB", figure("each_kib")),
    ("allocated KiB", figure("allocated_kib")),
    ("in", figure("allocations")),
    ("closed p50/p99/max ms", marks("closed_ms", "p50", "p99", "max")),
    ("bad", lambda s: str(s["bad"])),
)


def cells(work):
    """Heads and rows; a column that says nothing is left out."""
    targets = work["targets"].items()
    columns = [(head, [cell(s) for _, s in targets]) for head, cell in COLUMNS]
    columns = [(head, said) for head, said in columns if set(said) != {"-"}]
    return [("", *(head for head, _ in columns))] + [
        (name, *(said[i] for _, said in columns)) for i, (name, _) in enumerate(targets)]


def title(work):
    return f'({work["name"]}) {work["title"]}; a {work["unit"]}'


def as_text(work):
    lines = cells(work)
    widths = [max(len(cell) for cell in column) for column in zip(*lines)]
    rows = ("  ".join(cell.rjust(w) if i else cell.ljust(w)
                      for i, (cell, w) in enumerate(zip(line, widths))) for line in lines)
    return title(work) + "\n" + "\n".join("  " + row.rstrip() for row in rows)


def as_markdown(work):
    heads, *rows = cells(work)
    lines = [heads, ("---", *["---:"] * (len(heads) - 1)), *rows]
    return f"{title(work)}:\n\n" + "".join(f'| {" | ".join(line)} |\n' for line in lines)
