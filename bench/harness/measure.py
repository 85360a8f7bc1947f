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
from harness.allocations import Counter
from harness.process import DRIVING, Process
from harness.upstreams import PROGRAMS, Mock, Simulator, TlsFront

LOAD = os.path.join(PROGRAMS, "bench-load")
DIRECT = os.path.join(PROGRAMS, "bench-direct")
SETTLE_S = 0.2  # a program that listens may still be starting its workers


@dataclasses.dataclass
class Upstream:
    """Where a target finds what stands behind it."""
    port: int
    url: str
    ca: str
    cookie: str


class Load(Process):
    """bench-load on its way."""

    def __init__(self, work, port, headers, folder, same_bytes, *more):
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
        """Its figures, and the most memory of the process that was watched meanwhile."""
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


class Stand:
    """A target with all that it needs, in a folder of its own, until the stack ends."""

    def __init__(self, stack, work, name, env=None):
        self.stack, self.work = stack, work
        self.folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.is_engine = name == "gateway" and work.upstream == "enginelabs"
        self.real = stack.enter_context((Simulator if self.is_engine else Mock)(work, self.folder))
        front = stack.enter_context(TlsFront(self.real.port, self.folder)) if work.tls else None
        port = front.port if front else self.real.port
        scheme = "https://localhost" if front else "http://127.0.0.1"
        upstream = Upstream(port, f"{scheme}:{port}", front.ca if front else None,
                            getattr(self.real, "cookie", None))
        begun = time.monotonic()
        self.target = stack.enter_context(
            targets.ALL[name](work, upstream, self.folder, env or {}))
        self.start_ms = (time.monotonic() - begun) * 1000

    def load(self, *more):
        return self.stack.enter_context(
            Load(self.work, self.target.port, self.target.headers, self.folder,
                 not self.is_engine, *more))


def amount(work, seconds):
    """How much of it: one wave of streams, or what goes in the time."""
    if work.once:
        return ["--connections", work.connections, "--requests", work.connections,
                "--rate", work.opening, "--seconds", 120]
    return ["--connections", work.connections, "--seconds", seconds]


def warm_up(work, target):
    """Accounts sign in, connections open, what compiles at run time does."""
    if work.once:
        return ["--connections", 4, "--requests", 4, "--cancel-after", 1, "--seconds", 30]
    return ["--connections", work.connections, "--seconds", target.warm_up_s,
            "--requests", target.warm_up_requests // (20 if work.stream else 1)]


class Idle:
    """Connections that do nothing: each was used once before, and is once behind."""

    def __init__(self, stand, count):
        self.load = stand.load("--hold", "--connections", count, "--rate", 5000, "--seconds", 60)
        self.before = self.load.line()
        self.load.popen.stdout.readline()

    def end(self):
        """How many of them were not there any more, or got no answer."""
        self.load.popen.stdin.close()
        after = self.load.line()
        return sum(r["wrong"] + r["broken"] for r in (self.before, after)) + after["connects"]


def measure(work, name, seconds):
    """Figures of one run."""
    with contextlib.ExitStack() as stack:
        stand = Stand(stack, work, name)
        if work.cancel_after:
            return measure_cancel(stand)
        target = stand.target
        time.sleep(SETTLE_S)
        start_kib = target.rss_kib()
        stand.load(*warm_up(work, target)).result()
        warm_kib = target.rss_kib()
        idle = Idle(stand, work.idle) if work.idle else None
        idle_kib = target.rss_kib()
        cpu_s = target.cpu_s()
        seen, load_kib = stand.load(*amount(work, seconds)).result(target)
        figures = figures_of(work, seen, target.cpu_s() - cpu_s)
        figures.update(start_ms=stand.start_ms, start_kib=start_kib, load_kib=load_kib,
                       each_kib=kib_of_each(work, warm_kib, idle_kib, load_kib))
        figures["bad"] += idle.end() if idle else 0
        through_and_direct(figures, stand, seen, seconds)
    if name == "gateway" or (name == "nginx" and not work.tls):
        figures["allocated"] = allocated(work, name)
    return figures


def through_and_direct(figures, stand, seen, seconds):
    """The same time through the program and on the upstream alone, for works that say which."""
    work = stand.work
    if work.added == "half load":
        rate = max(1, int(figures["per_s"] / 2))
        more = ["--connections", work.connections, "--rate", rate, "--seconds", seconds]
        half = stand.load(*more).result()[0]
        figures["bad"] += half["wrong"] + half["broken"]
        figures["through_us"] = half["answer_us"]
        figures["direct_us"] = direct(work, *more)["answer_us"]
    elif work.added == "first":
        figures["through_us"] = seen["first_us"]
        figures["direct_us"] = direct_engine(stand) if stand.is_engine else \
            direct(work, *amount(work, seconds))["first_us"]


def direct(work, *more):
    """The load on an upstream alone."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        mock = stack.enter_context(Mock(work, folder))
        return stack.enter_context(Load(work, mock.port, {}, folder, True, *more)).result()[0]


def direct_engine(stand):
    """The EngineLabs protocol without the gateway around it, one prompt after the other."""
    done = subprocess.run([DIRECT, stand.real.url, stand.real.cookie, "1000",
                           stand.work.prompt()], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["first_us"]


def measure_cancel(stand):
    """Clients leave in the middle of answers; how long until the upstream sees its end."""
    work = stand.work
    stand.load(*warm_up(work, stand.target)).result()
    seen = stand.load("--connections", work.connections, "--requests", 200, "--rate", 50,
                      "--cancel-after", work.cancel_after).result()[0]
    time.sleep(1)  # what takes longer counts as never
    left = sorted(seen["left_us"])
    closed = sorted(us for us in stand.real.left_us() if us >= left[0])
    figures = figures_of(work, {**seen, "whole": seen["canceled"]}, 0)
    figures["closed_us"] = percentiles([b - a for a, b in zip(left, closed)])
    figures["bad"] += len(left) - len(closed)
    figures["fault"] = figures["fault"] or "the upstream goes on when a client has left"
    return figures


def percentiles(values):
    """None of none."""
    values = sorted(values)
    return {mark: values[int((len(values) - 1) * share)]
            for mark, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))} if values else None


def allocated(work, name):
    """Bytes and calls of malloc for one more unit of work, counted in a run of its own."""
    if work.once or work.every_ms or work.cancel_after:
        return None
    with contextlib.ExitStack() as stack:
        counter = stack.enter_context(Counter())
        stand = Stand(stack, work, name, counter.env)
        few = ["--connections", min(8, work.connections), "--requests"]
        stand.load(*few, 400).result()
        before = counter.read()
        done = stand.load(*few, 1000).result()[0]["whole"]
        return {kind: (counter.read()[kind] - before[kind]) / max(1, done) for kind in before}


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


def kib_of_each(work, warm_kib, idle_kib, load_kib):
    """Of an idle connection, or of a stream that is open."""
    if work.idle:
        return (idle_kib - warm_kib) / work.idle
    if work.once:
        return (load_kib - idle_kib) / work.connections
    return None
