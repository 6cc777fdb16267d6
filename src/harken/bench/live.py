# SPDX-License-Identifier: Apache-2.0
"""What live listeners get: how soon the first segment comes, and whether many at once all hear everything.

Measured from outside, over web sockets. Knows the suite dialect's live messages and nothing of what is behind them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from websockets.asyncio.client import connect

from harken.bench.server import JOB_SECONDS, Client, percentile
from harken.bench.targets import Target
from harken.errors import HarkenError

FIRST = 2.0
"""Seconds from the submission of a recording to its first live segment, at the median, on a server that is idle."""

_JOIN = 3
"""Listeners who join with every segment, until all have."""
_ENOUGH = 20
"""Values that percentiles are made of, at least."""
_BETWEEN = 0.05
"""Seconds between two health checks."""

Heard = tuple[float, float, str]
"""Start, end and text of a segment."""


@dataclass(slots=True)
class Ear:
    """What one listener heard."""

    heard: list[Heard] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When each segment came, in seconds of one clock for all."""
    end: str = ""
    """The status of the last message, which is empty where the socket closed before it."""


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What was measured; times in seconds."""

    first_p50: float
    first_p95: float
    listeners: int
    """Beside the one who is first."""
    segments: int
    """In the recording that all of them heard."""
    lost: int
    """Over all listeners, as is the next."""
    repeated: int
    disordered: int
    """Listeners who heard something before what was said before it."""
    unfinished: int
    """Listeners who were not told how it ended."""
    lag_p50: float
    """From the first listener who hears a segment to the others, who were there before it."""
    lag_p99: float
    health_p99: float
    """Of health checks meanwhile."""

    def targets(self) -> list[Target]:
        """What it is to be, and whether it is."""
        wrong = self.lost + self.repeated + self.disordered + self.unfinished
        return [
            Target(
                "from submission to the first live segment, median",
                f"{FIRST:.1f} s at most",
                f"{self.first_p50:.2f} s",
                self.first_p50 <= FIRST,
            ),
            Target(
                f"{self.listeners} listeners on one job: segments lost, repeated or out of order",
                "0",
                str(wrong),
                wrong == 0,
            ),
        ]


def measure_live(
    client: Client,
    recording: tuple[str, bytes],
    *,
    rounds: int = 15,
    listeners: int = 200,
    progress: Callable[[str], None] = lambda _: None,
) -> LiveFigures:
    """Measure one after the other: the first segment alone, then many listeners.

    Args:
        client: the server.
        recording: name and bytes of one that takes longer than everybody takes to join.
        rounds: how often the first segment is waited for, after one to warm up.
        listeners: half of them join at once, the others while segments come, behind one who is there from the start.
        progress: called with a line for people.

    Raises:
        HarkenError: the server does not do what the dialect says.
    """
    progress(f"the first live segment of {rounds} recordings")
    first = [asyncio.run(_first_segment(client, recording)) for _ in range(rounds + 1)][1:]
    progress(f"{listeners} listeners of one recording")
    ears, joined, health = asyncio.run(_crowd(client, recording, listeners))
    whole = ears.pop()
    counts = Counter(whole.heard)
    lags = _lags(ears, joined, len(whole.heard))
    if min(len(lags), len(health)) < _ENOUGH:
        raise HarkenError("the recording was done before everybody had joined: give a longer one")
    return LiveFigures(
        first_p50=statistics.median(first),
        first_p95=percentile(first, 95),
        listeners=listeners,
        segments=len(whole.heard),
        lost=sum((counts - Counter(ear.heard)).total() for ear in ears),
        repeated=sum((Counter(ear.heard) - counts).total() for ear in ears),
        disordered=sum(any(b < a for a, b in itertools.pairwise(ear.heard)) for ear in ears),
        unfinished=sum(ear.end != "completed" for ear in ears),
        lag_p50=statistics.median(lags),
        lag_p99=percentile(lags, 99),
        health_p99=percentile(health, 99),
    )


async def _first_segment(client: Client, recording: tuple[str, bytes]) -> float:
    """Seconds from the submission to the first segment; the job is cancelled then."""
    begin = time.perf_counter()
    job = await asyncio.to_thread(client.submit, *recording)
    ear = Ear()
    await _listen(client, job, ear, enough=1)
    await asyncio.to_thread(client.cancel, job)
    if not ear.times:
        raise HarkenError(f"job {job} had no live segment; it ended as {ear.end or 'nothing'}")
    return ear.times[0] - begin


async def _crowd(
    client: Client, recording: tuple[str, bytes], listeners: int
) -> tuple[list[Ear], list[float], list[float]]:
    """What everybody heard, and last of all one who came after the end; when each joined; times of health checks."""
    job = await asyncio.to_thread(client.submit, *recording)
    ears: list[Ear] = []
    joined: list[float] = []
    health: list[float] = []

    def join(count: int) -> None:
        for _ in range(min(count, listeners - len(ears))):
            ears.append(Ear())
            joined.append(time.perf_counter())
            group.create_task(_listen(client, job, ears[-1]))

    async def lead(ear: Ear) -> None:
        """Listen, and have others join whenever there is something new."""
        await _listen(client, job, ear, on_segment=lambda: join(_JOIN))
        join(listeners)
        checking.cancel()

    async def check() -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.to_thread(client.health)
            health.append(time.perf_counter() - begin)
            await asyncio.sleep(_BETWEEN)

    leader, last = Ear(), Ear()
    async with asyncio.timeout(JOB_SECONDS), asyncio.TaskGroup() as group:
        checking = group.create_task(check())
        group.create_task(lead(leader))
        join(listeners // 2)
    await _listen(client, job, last)
    return [*ears, last], joined, health


async def _listen(
    client: Client, job: str, ear: Ear, *, enough: int | None = None, on_segment: Callable[[], None] = lambda: None
) -> None:
    """Listen until the server closes the socket, or for ``enough`` segments."""
    url = f"ws{client.url.removeprefix('http')}/api/transcribe/live/{job}"
    async with connect(url, additional_headers=client.headers, open_timeout=JOB_SECONDS, proxy=None) as socket:
        async for message in socket:
            told = json.loads(message)
            if told.get("type") == "status":
                ear.end = told["status"] if told["status"] != "processing" else ""
                continue
            ear.times.append(time.perf_counter())
            ear.heard.append((told["start"], told["end"], told["text"]))
            on_segment()
            if len(ear.heard) == enough:
                return


def _lags(ears: Sequence[Ear], joined: Sequence[float], segments: int) -> list[float]:
    """How much later than the first of them each listener heard what was said after everybody's joining."""
    whole = [ear for ear in ears if len(ear.heard) == segments]
    lags: list[float] = []
    for index in range(segments):
        heard = [ear.times[index] for ear in whole]
        if heard and min(heard) > max(joined):
            lags.extend(moment - min(heard) for moment in heard)
    return lags
