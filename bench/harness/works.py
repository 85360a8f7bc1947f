# SPDX-License-Identifier: Apache-2.0
"""The work that is measured. One line a work at the end of this file; `unit` is what its cost is
divided by."""
import dataclasses
import json
import os

from harness.process import DESCRIPTORS
from harness.upstreams import ROOT

CHUNKS = 100
# A stream holds two descriptors of the gateway, which keeps a share for 800 prompts at once.
STREAMS_MAX = min(10000, (DESCRIPTORS - 1000) // 2)


@dataclasses.dataclass
class Work:
    name: str
    title: str
    unit: str = "request"
    targets: tuple = ("gateway", "nginx")
    upstream: str = "openai"  # or enginelabs: then the others proxy the same chunks from the mock
    tls: bool = False
    body: str = "chat_2k.json"  # of a whole answer; a stream is asked for with a prompt
    stream: bool = False
    chunks: int = CHUNKS
    one_write: bool = False
    every_ms: int = 0
    delay_ms: int = 0
    connections: int = 64
    opening: int = 0      # streams that begin a second; 0: all at once
    once: bool = False    # every connection is used once: one wave of streams
    half_load: bool = False  # added time is measured at half of the throughput
    idle: int = 0         # more connections that do nothing
    everything: bool = False  # keys, limits, log, usage and the store are on

    @property
    def model(self):
        return "GPT5" if self.stream else "ClaudeSonnet4_5"

    def text(self):
        """What an answer says."""
        if self.stream:
            return " ".join(f"frame{i}" for i in range(1, self.chunks + 1))
        return "It is the same answer for all who ask. " * 2

    def answer(self):
        """What the mock answers: JSON of about 400 bytes, or the events of a stream."""
        if not self.stream:
            return compact({**HEAD, "object": "chat.completion", "model": self.model, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": self.text()},
                 "logprobs": None, "finish_reason": "stop"}], "usage": {
                     "prompt_tokens": 500, "completion_tokens": 18, "total_tokens": 518}})
        pieces = self.text().replace(" ", " \n").split("\n")
        deltas = [({"content": piece}, None) for piece in pieces] + [({}, "stop")]
        return "".join(f"data: {self.event(*delta)}\n\n" for delta in deltas) + "data: [DONE]\n\n"

    def event(self, delta, reason):
        return compact({**HEAD, "object": "chat.completion.chunk", "model": self.model, "choices": [
            {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    def prompt(self):
        """Has the simulator answer at the pace of the mock."""
        lines = [f"!pacing {0 if self.upstream == 'enginelabs' else 1} {self.every_ms}"]
        lines += [f"!set coalesce={self.chunks}"] * self.one_write
        return "\n".join([*lines, f"!frames {self.chunks}"])

    def request(self, port, headers):
        """Head and body as they are sent."""
        if self.stream:
            body = compact({"model": self.model, "stream": True, "messages": [
                {"role": "user", "content": self.prompt()}]}).encode()
        else:
            with open(os.path.join(ROOT, "tests/data", self.body), "rb") as f:
                body = f.read()
        head = [f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}",
                "content-type: application/json", f"content-length: {len(body)}",
                *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


HEAD = {"id": "chatcmpl-0123456789abcdefghijklmn", "created": 1700000000}
THREE = ("gateway", "nginx", "portkey")


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def stream(name, title, unit="chunk", **more):
    return Work(name, title, unit, stream=True, **more)


def engine(name, title, unit="chunk", **more):
    return stream(name, title, unit, upstream="enginelabs", **more)


WORKS = [
    Work("a", "2 KB request, 400-byte answer, 64 connections", half_load=True, targets=THREE),
    Work("b", "100 KB request of a coding agent, 64 connections", body="chat_100k.json",
         half_load=True, targets=THREE),
    stream("c-fast", "streams of 100 chunks as fast as they come, 64 at once", "stream",
           targets=THREE),
    stream("c-burst", "streams of 100 chunks in one write, 64 at once", "stream", one_write=True,
           targets=THREE),
    stream("c-64", "a chunk every 10 ms, 64 streams", every_ms=10, targets=THREE),
    stream("c-1000", "a chunk every 50 ms, 1,000 streams", every_ms=50, connections=1000,
           opening=1000, once=True, targets=THREE),
    engine("d-1", "EngineLabs: 100 frames as fast as they come, 1 stream", "stream",
           connections=1),
    engine("d-fast", "EngineLabs: 100 frames as fast as they come, 64 streams", "stream"),
    engine("d-burst", "EngineLabs: 100 frames in one burst, 64 streams", "stream",
           one_write=True),
    engine("d-64", "EngineLabs: a frame every 10 ms, 64 streams", every_ms=10),
    engine("d-1000", "EngineLabs: a frame every 50 ms, 1,000 streams", every_ms=50,
           connections=1000, opening=1000, once=True),
    engine("d-open", f"EngineLabs: {STREAMS_MAX:,} open slow streams", every_ms=1000, chunks=20,
           connections=STREAMS_MAX, opening=1000, once=True),
    engine("t-fast", "EngineLabs over TLS: as fast as they come, 64 streams", "stream", tls=True),
    engine("t-64", "EngineLabs over TLS: a frame every 10 ms, 64 streams", every_ms=10, tls=True),
    engine("t-open", f"EngineLabs over TLS: {STREAMS_MAX - 500:,} open slow streams",
           every_ms=1000, chunks=20, connections=STREAMS_MAX - 500, opening=500, once=True,
           tls=True),
    Work("e", "upstream 50 ms away, 2 KB request, 1,000 connections", delay_ms=50,
         connections=1000),
    engine("e-engine", "EngineLabs 50 ms away (each of its answers), 64 streams at once", "stream",
           delay_ms=50, targets=("gateway",)),
    Work("f", f"as (a) beside {STREAMS_MAX - 100:,} idle connections", idle=STREAMS_MAX - 100),
    Work("g", "as (a) with keys, limits, log, usage and SQLite on", everything=True),
]


def chosen(words):
    """Those named, or whose letter is; all without names."""
    names = words.split()
    unknown = [n for n in names if not any(n in (w.name, w.name[0]) for w in WORKS)]
    if unknown:
        raise SystemExit(f"bench: no work is called {' '.join(unknown)}; there are "
                         + " ".join(w.name for w in WORKS))
    return [w for w in WORKS if not names or w.name in names or w.name[0] in names]
