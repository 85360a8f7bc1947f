# SPDX-License-Identifier: Apache-2.0
"""Programs on a processor of their own, and what /proc says of them and their children."""
import os
import re
import resource
import socket
import subprocess
import time

UNDER_TEST, DRIVING = 0, 1  # processors: the program that is measured; all the rest
TICK = os.sysconf("SC_CLK_TCK")
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # that each program may have


def cpu_of(role):
    """On a machine with one processor all share it."""
    return {role if os.cpu_count() > role else 0}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Process:
    """One program with its children, ended at the end of a with block."""

    def __init__(self, role, command, **how):
        self.command = command
        self.popen = subprocess.Popen(
            command, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cpu_of(role)), **how)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.stdin:
            self.popen.stdin.close()
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def wait_for_port(self, port, log=None, seconds=30):
        """Until somebody listens there. `log`: what it wrote, for the error."""
        deadline = time.monotonic() + seconds
        while self.popen.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.002)
        self.__exit__()
        raise RuntimeError(f"{' '.join(self.command)} does not listen on port {port}, it ended "
                           f"with {self.popen.returncode}. {read(log) if log else ''}")

    def pids(self):
        found = [self.popen.pid]
        for pid in found:
            found += [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]
        return found

    def cpu_s(self):
        """utime and stime of all of them so far."""
        ticks = 0
        for pid in self.pids():
            fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12]) if fields else 0
        return ticks / TICK

    def rss_kib(self):
        """Of all of them; pages that they share count for each."""
        sizes = (re.search(r"VmRSS:\s+(\d+)", read(f"/proc/{pid}/status")) for pid in self.pids())
        return sum(int(size[1]) for size in sizes if size)
