# SPDX-License-Identifier: Apache-2.0
"""How much memory harken's worker takes, and that it does not grow with the length of the recording.

A long recording is made of real speech with pauses between, streamed into an Opus file; the worker hears it in a
process of its own while the memory of that process and of all it started is sampled.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil

from harken.audio.decode import Samples
from harken.bench.measure import Taken, Work, run
from harken.bench.targets import Target
from harken.model import SAMPLE_RATE

LIMIT = 1e9
"""Bytes that the whole worker may take for a recording of hours."""
FLAT = 1.1
"""Times as much as for the short recording that the long one may take."""

_SAMPLE_SECONDS = 0.2
_PAUSES = (0.4, 1.5, 0.8, 4.0)
"""Seconds of near silence between repetitions, in turn, so that windows are not cut the same way each time."""
_BLOCK = SAMPLE_RATE
_HISS = 1e-4


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory that was seen while one recording was heard."""

    seconds: float
    """Of audio."""
    rss: int
    """Bytes resident, summed over all processes; pages that they share count in each."""
    pss: int
    """Bytes with shared pages counted once."""
    processes: int
    taken: Taken


def targets(short: Peak, long: Peak) -> list[Target]:
    """Whether the long recording stayed under the limit, and near the short one."""
    ratio = long.rss / short.rss
    return [
        Target("memory of the worker", f"under {LIMIT / 1e6:.0f} MB", f"{long.rss / 1e6:.0f} MB", long.rss < LIMIT),
        Target("growth with length", f"{FLAT:.2f}x at most", f"{ratio:.2f}x", ratio <= FLAT),
    ]


def make_long(path: Path, speech: Samples, seconds: float) -> None:
    """Repeat ``speech`` with pauses into an Opus file of that length; memory does not grow with it."""
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono", bit_rate=32_000)
        position = 0
        for block in _blocks(speech, round(seconds * SAMPLE_RATE)):
            frame = av.AudioFrame.from_ndarray(block[None, :], format="flt", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.time_base = Fraction(1, SAMPLE_RATE)
            frame.pts = position
            position += len(block)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def peak(recording: Path, seconds: float, *, warm_up: Path, models_dir: Path, model: str, children: int) -> Peak:
    """Have a worker with so many children hear ``recording``, and watch its memory."""
    work = Work("harken", str(models_dir), model, str(warm_up), (str(recording),), children=children)
    watcher = _Watcher()
    try:
        [taken] = run([work], watcher.begin)
    finally:
        watcher.end()
    return Peak(seconds, watcher.rss, watcher.pss, watcher.processes, taken)


class _Watcher(threading.Thread):
    """Samples the memory of processes and all their descendants until it is told to end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.rss = self.pss = self.processes = 0
        self._roots: Sequence[int] = ()
        self._ended = threading.Event()

    def begin(self, pids: Sequence[int]) -> None:
        self._roots = pids
        self.start()

    def end(self) -> None:
        self._ended.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            rss = pss = count = 0
            for process in self._tree():
                try:
                    memory = process.memory_full_info()
                except psutil.Error:
                    continue
                rss += memory.rss
                pss += getattr(memory, "pss", memory.rss)
                count += 1
            self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)
            self.processes = max(self.processes, count)

    def _tree(self) -> Iterator[psutil.Process]:
        for pid in self._roots:
            try:
                root = psutil.Process(pid)
                yield root
                yield from root.children(recursive=True)
            except psutil.Error:
                continue


def _blocks(speech: Samples, count: int) -> Iterator[Samples]:
    """``count`` samples, a second at a time."""
    noise = np.random.default_rng(1)
    made = turn = 0
    while made < count:
        pause = noise.normal(0, _HISS, round(_PAUSES[turn % len(_PAUSES)] * SAMPLE_RATE)).astype(np.float32)
        for part in (speech, pause):
            for start in range(0, len(part), _BLOCK):
                block = part[start : start + min(_BLOCK, count - made)]
                if len(block):
                    yield block
                    made += len(block)
        turn += 1
