# SPDX-License-Identifier: Apache-2.0
"""CPU of each program beside nginx's, as a drawing: one line a work, on a logarithmic scale."""
import math
from xml.sax.saxutils import escape

COLORS = {"gateway": "#2563eb", "portkey": "#d97706"}
NAMES = {"gateway": "enginelabs-2api", "portkey": "Portkey gateway"}
LEFT, WIDTH, ROW, BAR, TOP = 400, 420, 44, 13, 84
LEAST, MOST = 0.25, 256


def x_of(ratio):
    share = math.log(max(LEAST, min(MOST, ratio)) / LEAST) / math.log(MOST / LEAST)
    return LEFT + WIDTH * share


def text(x, y, words, **more):
    given = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{given}>{escape(words)}</text>'


def scale(bottom):
    lines = []
    for ratio in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256):
        x, is_one = x_of(ratio), ratio == 1
        lines.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" '
                     f'stroke="{"#16a34a" if is_one else "#e5e7eb"}" '
                     f'stroke-width="{2 if is_one else 1}"/>')
        lines.append(text(x, TOP - 8, "nginx" if is_one else f"{ratio:g}x", text_anchor="middle",
                          fill="#16a34a" if is_one else "#6b7280"))
    return lines


def bars(work, y):
    lines = [text(LEFT - 12, y + 17, work["title"], text_anchor="end")]
    drawn = [(n, s) for n, s in work["targets"].items() if n in COLORS and s.get("cpu_to_nginx")]
    for i, (name, s) in enumerate(drawn):
        ratio = s["cpu_to_nginx"]
        begin, end = sorted((x_of(1), x_of(ratio)))
        top = y + 3 + i * (BAR + 2)
        lines.append(f'<rect x="{begin:.1f}" y="{top}" width="{max(1.0, end - begin):.1f}" '
                     f'height="{BAR}" rx="2" fill="{COLORS[name]}"/>')
        lines.append(text(x_of(max(1, ratio)) + 6, top + 10.5,
                          f'{ratio:.2f}x, {s["cpu_us"]:,.1f} us', fill="#374151"))
    return lines


def about(machine):
    return (f'{machine["processor"]}, {machine["processors"]} processors, {machine["date"]}, '
            f'commit {machine["commit"]}; nginx {machine["nginx"]}')


def draw(results):
    works = [w for w in results["works"]
             if any(s.get("cpu_to_nginx") for n, s in w["targets"].items() if n in COLORS)]
    bottom = TOP + ROW * len(works)
    width, height = LEFT + WIDTH + 130, bottom + 40
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" '
             'fill="#111827">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             text(16, 26, "CPU a request, stream or chunk, beside nginx that proxies the same",
                  font_size="16", font_weight="bold"),
             text(16, 48, "Left of the line: cheaper than a proxy that does nothing.",
                  fill="#6b7280")]
    drawn = [n for n in COLORS if any(n in w["targets"] for w in works)]
    for i, name in enumerate(drawn):
        x = LEFT + WIDTH - 130 + i * 140
        lines.append(f'<rect x="{x}" y="38" width="12" height="12" rx="2" '
                     f'fill="{COLORS[name]}"/>')
        lines.append(text(x + 18, 48, NAMES[name]))
    lines += scale(bottom)
    for i, work in enumerate(works):
        lines += bars(work, TOP + ROW * i)
    lines.append(text(16, height - 14, about(results["machine"]), fill="#6b7280", font_size="11"))
    return "\n".join([*lines, "</svg>", ""])
