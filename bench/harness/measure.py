# SPDX-License-Identifier: Apache-2.0
"""One work on one target: starts both ends afresh, drives, and says what it took."""
import contextlib
import dataclasses
import json
import os
import subprocess
import tempfile
import time

from harness import targets
from harness.process import DRIVING, Process
from harness.upstreams import PROGRAMS, Mock, Simulator, TlsFront

LOAD = os.path.join(PROGRAMS, "bench-load")


@dataclasses.dataclass
class Upstream:
    """Where a target finds what stands behind it."""
    port: int
    url: str
    ca: str
    cookie: str


class Load(Process):
    """bench-load on its way."""

    def __init__(self, work, port, headers, folder, *more, same_bytes=True):
        with open(os.path.join(folder, "request"), "wb") as f:
            f.write(work.request(port, headers))
        with open(os.path.join(folder, "text"), "w") as f:
            f.write(work.text())
        command = [LOAD, "--port", str(port), "--request", os.path.join(folder, "request"),
                   "--text", os.path.join(folder, "text"), *map(str, more)]
        if same_bytes:
            command += ["--body", os.path.join(folder, "answer")]
        super().__init__(DRIVING, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def result(self, watched=None):
        """Its figures, and the highest sum of memory of the process that was watched meanwhile."""
        peak = 0
        while self.popen.poll() is None:
            peak = max(peak, watched.rss_kib() if watched else 0)
            time.sleep(0.05)
        return self.line(), peak

    def line(self):
        text = self.popen.stdout.readline()
        if not text:
            raise RuntimeError("bench-load said nothing")
        return json.loads(text)


def amount(work, seconds):
    """How much of it: one wave of streams, or what goes in the time."""
    if work.once:
        return ["--connections", work.connections, "--requests", work.connections,
                "--rate", work.opening, "--seconds", 120]
    return ["--connections", work.connections, "--seconds", seconds]


def warm_up(work):
    """Accounts sign in, connections open, Node compiles."""
    if work.once:
        return ["--connections", 4, "--requests", 4, "--cancel-after", 1, "--seconds", 30]
    return ["--connections", work.connections, "--seconds", 2]


def start_upstream(stack, work, is_engine, folder):
    """Both ends of the upstream: itself, and where it is reached."""
    real = stack.enter_context((Simulator if is_engine else Mock)(work, folder))
    front = stack.enter_context(TlsFront(real.port, folder)) if work.tls else None
    port = front.port if front else real.port
    scheme = "https://localhost" if front else "http://127.0.0.1"
    return real, Upstream(port, f"{scheme}:{port}", front.ca if front else None,
                          getattr(real, "cookie", None))


def hold_idle(stack, work, target, folder):
    """The connections that do nothing: each is used once before, and once behind."""
    idle = stack.enter_context(Load(work, target.port, target.headers, folder, "--hold",
                                    "--connections", work.idle, "--rate", 5000, "--seconds", 60))
    before = idle.line()
    idle.popen.stdout.readline()
    return idle, before


def end_idle(idle, before):
    idle.popen.stdin.close()
    after = idle.line()
    return before["wrong"] + before["broken"] + after["wrong"] + after["broken"] + after["connects"]


def measure(work, name, seconds):
    """Figures of one run."""
    is_engine = name == "gateway" and work.upstream == "enginelabs"
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        _, upstream = start_upstream(stack, work, is_engine, folder)
        target = stack.enter_context(targets.ALL[name](work, upstream, folder))
        how = {"same_bytes": target.same_bytes and not is_engine}

        def load(*more):
            return stack.enter_context(
                Load(work, target.port, target.headers, folder, *more, **how))

        start_kib = target.rss_kib()
        load(*warm_up(work)).result()
        idle = hold_idle(stack, work, target, folder) if work.idle else None
        idle_kib = target.rss_kib()
        cpu_s = target.cpu_s()
        seen, peak_kib = load(*amount(work, seconds)).result(target)
        cpu_s = target.cpu_s() - cpu_s
        figures = figures_of(work, seen, cpu_s)
        figures.update(start_kib=start_kib, idle_kib=idle_kib, load_kib=peak_kib,
                       each_kib=kib_of_each(work, start_kib, idle_kib, peak_kib))
        if idle:
            figures["bad"] += end_idle(*idle)
        if work.half_load:
            rate = max(1, int(figures["per_s"] / 2))
            half, _ = load("--connections", work.connections, "--rate", rate,
                           "--seconds", seconds).result()
            figures["bad"] += half["wrong"] + half["broken"]
            figures["through_us"] = half["answer_us"]
    if work.half_load:
        figures["direct_us"] = direct(work, rate, seconds)["answer_us"]
    return figures


def direct(work, rate, seconds):
    """The same at the same rate on the upstream itself."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        mock = stack.enter_context(Mock(work, folder))
        seen, _ = stack.enter_context(
            Load(work, mock.port, {}, folder, "--connections", work.connections,
                 "--rate", rate, "--seconds", seconds)).result()
        return seen


def figures_of(work, seen, cpu_s):
    """What the load generator saw, a second and a unit."""
    units = seen["pieces"] if work.unit == "chunk" else seen["whole"]
    return {
        "per_s": units * 1e6 / max(1, seen["us"]),
        "cpu_us": cpu_s * 1e6 / max(1, units),
        "units": units,
        "bad": seen["wrong"] + seen["broken"],
        "fault": seen["fault"],
        "sample": seen["sample"],
        "answer_us": seen["answer_us"],
        "first_us": seen["first_us"],
        "gap_us": seen["gap_us"],
    }


def kib_of_each(work, start_kib, idle_kib, peak_kib):
    """Of an idle connection, or of a stream that is open."""
    if work.idle:
        return (idle_kib - start_kib) / work.idle
    if work.once:
        return (peak_kib - idle_kib) / work.connections
    return None
