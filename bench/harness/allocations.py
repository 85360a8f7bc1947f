# SPDX-License-Identifier: Apache-2.0
"""Counts what a program asks malloc for: a library that is put before libc's counts in a file that
both sides map."""
import os
import struct
import tempfile

from harness.upstreams import PROGRAMS


class Counter:
    def __enter__(self):
        self.file = tempfile.NamedTemporaryFile()
        self.file.write(bytes(16))
        self.file.flush()
        self.env = {"LD_PRELOAD": os.path.join(PROGRAMS, "libbench-allocations.so"),
                    "BENCH_ALLOCATIONS": self.file.name}
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self):
        with open(self.file.name, "rb") as f:
            calls, size = struct.unpack("QQ", f.read(16))
        return {"calls": calls, "bytes": size}
