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
    name: str   # its letter, and what tells it from others of that letter
    title: str  # with {n} connections or streams, {idle}, {chunks}, {every} ms
    unit: str = "request"
    targets: tuple = ("gateway", "nginx")
    upstream: str = "openai"  # or enginelabs: then the others proxy the same chunks from the mock
    tls: bool = False         # to the upstream
    body: str = "chat_2k.json"  # of a request for a whole answer; a stream is asked for by prompt
    stream: bool = False
    chunks: int = CHUNKS
    one_write: bool = False
    every_ms: int = 0  # between chunks; 0: as fast as they are taken
    delay_ms: int = 0  # how far away the upstream is
    connections: int = 64
    opening: int = 0    # streams that begin a second; 0: all at once
    once: bool = False  # every connection is used once: one wave of streams
    idle: int = 0       # more connections that do nothing
    added: str = ""  # what is compared with direct: answers at "half load", the "first" text
    cancel_after: int = 0  # clients leave after so many pieces, and nothing else is measured
    everything: bool = False  # keys, limits, log, usage and the store are on

    @property
    def letter(self):
        return self.name.split("-")[0]

    def heading(self):
        """The title, with the numbers that are in force."""
        return self.title.format(n=f"{self.connections:,}", idle=f"{self.idle:,}",
                                 chunks=self.chunks, every=self.every_ms)

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
        lines = [f"!pacing 0 {self.every_ms}", f"!frames {self.chunks}"]
        return "\n".join([f"!set coalesce={self.chunks}"] * self.one_write + lines)

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


FAST = "{chunks} frames as fast as they come, {n} streams"
PACED = "a frame every {every} ms, {n} streams"
OPEN = "{n} open streams, a frame each second"
WORKS = [
    Work("a", "2 KB request, 400-byte answer, {n} connections", added="half load", targets=THREE),
    Work("b", "100 KB request of a coding agent, {n} connections", body="chat_100k.json",
         added="half load", targets=THREE),
    stream("c-fast", "{chunks} chunks as fast as they come, {n} streams", "stream", targets=THREE),
    stream("c-burst", "{chunks} chunks in one write, {n} streams", "stream", one_write=True,
           targets=THREE),
    stream("c-64", "a chunk every {every} ms, {n} streams", every_ms=10, added="first",
           targets=THREE),
    stream("c-1000", "a chunk every {every} ms, {n} streams", every_ms=50, connections=1000,
           opening=1000, once=True, added="first", targets=THREE),
    engine("d-1", "EngineLabs: {chunks} frames as fast as they come, one stream", "stream",
           connections=1, added="first"),
    engine("d-fast", "EngineLabs: " + FAST, "stream"),
    engine("d-burst", "EngineLabs: {chunks} frames in one burst, {n} streams", "stream",
           one_write=True),
    engine("d-64", "EngineLabs: " + PACED, every_ms=10),
    engine("d-1000", "EngineLabs: " + PACED, every_ms=50, connections=1000, opening=1000,
           once=True),
    engine("d-open", "EngineLabs: " + OPEN, every_ms=1000, chunks=20, connections=STREAMS_MAX,
           opening=1000, once=True),
    engine("t-fast", "EngineLabs, TLS: " + FAST, "stream", tls=True),
    engine("t-64", "EngineLabs, TLS: " + PACED, every_ms=10, tls=True),
    engine("t-open", "EngineLabs, TLS: " + OPEN, every_ms=1000, chunks=20,
           connections=STREAMS_MAX - 500, opening=500, once=True, tls=True),
    Work("e", "upstream 50 ms away, 2 KB request, {n} connections", delay_ms=50,
         connections=2000),
    engine("e-engine", "EngineLabs, 50 ms away (each answer): " + FAST, "stream", delay_ms=50,
           connections=2000, targets=("gateway",)),
    Work("f", "as (a) beside {idle} idle connections", idle=STREAMS_MAX - 100),
    Work("g", "as (a) with keys, limits, log, usage and SQLite on", everything=True),
    stream("cancel", "client leaves a stream with a chunk every {every} ms", "stream", every_ms=10,
           cancel_after=5, targets=THREE),
    engine("cancel-engine", "EngineLabs: client leaves a stream with a frame every {every} ms",
           "stream", every_ms=10, cancel_after=5, targets=("gateway",)),
]
QUICK = "a b c-fast c-64 d-fast d-burst d-64 d-open t-fast f g cancel cancel-engine"


def quick(work):
    """The same with fewer streams and connections, for a look."""
    return dataclasses.replace(
        work, connections=min(work.connections, 500), opening=min(work.opening, 500),
        chunks=work.chunks // 5 if work.once else work.chunks, idle=min(work.idle, 2000),
        targets=tuple(t for t in work.targets if t != "portkey" or work.name == "a"))


def chosen(words):
    """Those named, or whose letter is; all without names."""
    names = words.split()
    unknown = [n for n in names if not any(n in (w.name, w.letter) for w in WORKS)]
    if unknown:
        raise SystemExit(f"bench: no work is called {' '.join(unknown)}; there are "
                         + " ".join(w.name for w in WORKS))
    return [w for w in WORKS if not names or w.name in names or w.letter in names]
