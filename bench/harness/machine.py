# SPDX-License-Identifier: Apache-2.0
"""On what, and of what, the figures are."""
import os
import platform
import re
import subprocess
import time

from harness.process import DESCRIPTORS, read
from harness.upstreams import GATEWAY, ROOT


def said(*command):
    """What a command says, on one line; "?" when it is not there."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return "?"
    return " ".join((done.stdout + done.stderr).split()) if done.returncode == 0 else "?"


def about():
    processor = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo"))
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": said("git", "rev-parse", "--short", "HEAD"),
        "changed": said("git", "status", "--porcelain", "src") != "",
        "processor": processor[1] if processor else platform.machine(),
        "processors": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20) if memory else 0,
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 1),  # before anything was started: others' work
        "descriptors": DESCRIPTORS,
        "binary_kib": os.path.getsize(GATEWAY) // 1024,
        "gateway": said("build/enginelabs-2api", "version"),
        "nginx": said("nginx", "-v").rpartition("/")[2],
        "node": said("node", "--version"),
    }
