# SPDX-License-Identifier: Apache-2.0
"""Mixed traffic: short clips that somebody waits for while long files run, with ever more workers.

Servers are started for it, one after the other, and called by :mod:`harken.bench.traffic`. Knows the openai dialect's
client and nothing of what is behind it.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harken.audio.decode import Samples
from harken.bench import material
from harken.bench.cluster import cluster
from harken.bench.engines import Engine
from harken.bench.load_figures import Load, Spread, Turns, jain, slope
from harken.bench.memory import make_long
from harken.bench.server import ENDED, JOB_SECONDS, Client
from harken.bench.traffic import Calls, calling
from harken.errors import HarkenError, InvalidRequest
from harken.model import SAMPLE_RATE

CLIP = 5.0
"""Seconds of a short clip."""
CANDIDATES = 10
"""Of which the one that is heard soonest is sent: doubtful ones are heard several times over, whoever waits."""
WORDS = 6
"""That are heard in it at least: where nobody speaks there is nothing to wait for."""
LOOK = 0.25
"""Seconds between two looks at how far the long files are."""
MOMENTS = 4
"""Looks at least, however little time there is."""

CROWD, FEW, ONE, CLIPPER, PROBE = (secrets.token_hex(16) for _ in range(5))
"""Keys of accounts: three with long files, in the order of their coming, one that sends clips, and one that submits
something by the way."""
OWNERS = (CROWD, FEW, ONE)


@dataclass(frozen=True, slots=True)
class Extent:
    """How long and how much. Seconds."""

    idle: float = 10.0
    settle: float = 30.0
    """Until it is measured what long files get: the first of them are cut and every worker meets its first clips."""
    alone: float = 60.0
    """While long files run alone. What is done comes in batches, of some seconds on many workers."""
    mixed: float = 60.0
    pause: float = 0.8
    """Between a clip's answer and the same caller's next clip, while long files run."""
    long: float = 1200.0
    """Length of a long file."""
    files: tuple[int, int, int] = (40, 6, 2)
    """How many long files each account has: the first more than all workers take up at a time, none so few that it runs
    out of them."""
    turn: float = 120.0
    """Length of the files of accounts that take turns."""
    others: int = 50
    """Such files of the account that came first."""


@dataclass(frozen=True, slots=True)
class Recordings:
    """What is sent, in a folder of the caller's."""

    clip: Path
    silence: Path
    long: Path
    turn: Path

    @classmethod
    def made_of(cls, speech: Samples, folder: Path, extent: Extent, engine: Engine) -> Recordings:
        """Cut and repeated from longer speech; ``engine`` chooses the clip. Raises InvalidRequest."""
        size = round(CLIP * SAMPLE_RATE)
        taken: dict[Path, float] = {}
        for number, start in enumerate(np.linspace(0, len(speech) - size, CANDIDATES).astype(int)):
            path = folder / f"clip{number}.wav"
            material.write(path, speech[start : start + size])
            begin = time.process_time()
            heard = engine.hear(path)
            if len(heard.text.split()) >= WORDS:
                taken[path] = time.process_time() - begin
        if not taken:
            raise InvalidRequest(f"no {CLIP:.0f} s of the recording have {WORDS} words: give one with more speech")
        silence, long, turn = folder / "silence.wav", folder / "long.opus", folder / "turn.opus"
        material.write(silence, np.zeros(SAMPLE_RATE, np.float32))
        make_long(long, speech, extent.long)
        make_long(turn, speech, extent.turn)
        return cls(min(taken, key=lambda path: taken[path]), silence, long, turn)


def measure_load(
    recordings: Recordings,
    workers: int,
    extent: Extent,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Load:
    """Clips with nothing else to do, long files alone, and both, on a server with so many workers.

    Raises:
        HarkenError: a request failed, or the long files were done before the measurement.
    """
    keys = [*OWNERS, CLIPPER, PROBE]
    with (
        tempfile.TemporaryDirectory(prefix="harken-bench-") as folder,
        cluster(Path(folder), workers, keys) as url,
    ):
        progress(f"{workers} workers: clips on an idle server")
        clip = str(recordings.clip)
        _warm_up(url, recordings.clip, workers)
        with calling(Calls(url, clip, CLIPPER)) as traffic:
            time.sleep(extent.idle)
            idle = traffic.end()
        progress(f"{workers} workers: long files alone")
        owners = [Client(url, key=key) for key in OWNERS]
        for owner, files in zip(owners, extent.files, strict=True):
            _submit(owner, recordings.long, files)
        _warm_up(url, recordings.clip, workers)
        time.sleep(extent.settle)
        probes = Calls(url, silence=str(recordings.silence), probe_key=PROBE)
        with calling(probes) as probing:
            alone = _rates(owners, extent.alone)
            progress(f"{workers} workers: clips and long files")
            with calling(Calls(url, clip, CLIPPER, extent.pause)) as traffic:
                mixed = _rates(owners, extent.mixed)
                busy = traffic.end()
            probed = probing.end()
    return Load(
        workers=workers,
        idle=Spread.of(idle.waited),
        idle_jobs=Spread.of(idle.jobs),
        busy=Spread.of(busy.waited),
        busy_jobs=Spread.of(busy.jobs),
        alone=sum(alone),
        mixed=sum(mixed),
        fairness=jain([a + b for a, b in zip(alone, mixed, strict=True)]),
        health=Spread.of(probed.health),
        submissions=Spread.of(probed.submissions),
    )


def measure_turns(
    recordings: Recordings,
    workers: int,
    extent: Extent,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Turns:
    """How long one file takes alone, and when another account came with many just before. Raises HarkenError."""
    with (
        tempfile.TemporaryDirectory(prefix="harken-bench-") as folder,
        cluster(Path(folder), workers, [CROWD, ONE, CLIPPER]) as url,
    ):
        progress(f"{workers} workers: one file alone, and beside {extent.others} of another account")
        _warm_up(url, recordings.clip, workers)
        crowd, one = Client(url, key=CROWD), Client(url, key=ONE)
        alone = _timed(one, recordings.turn)
        _submit(crowd, recordings.turn, extent.others)
        beside = _timed(one, recordings.turn)
        if all(status in ENDED for status, _ in crowd.positions()):
            raise HarkenError("the other account's files were done first: have more of them")
    return Turns(alone, beside, extent.others)


def _timed(client: Client, recording: Path) -> float:
    begin = time.perf_counter()
    client.follow(client.submit(recording.name, recording.read_bytes()))
    return time.perf_counter() - begin


def _submit(client: Client, recording: Path, count: int) -> None:
    data = recording.read_bytes()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: client.submit(recording.name, data), range(count)))


def _warm_up(url: str, clip: Path, workers: int) -> None:
    """Have every worker hear the clip once or twice."""
    client = Client(url, key=CLIPPER)
    data = clip.read_bytes()
    with ThreadPoolExecutor(4 * workers) as pool:
        list(pool.map(lambda _: client.transcribe(clip.name, data), range(4 * workers)))


def _rates(owners: Sequence[Client], seconds: float) -> list[float]:
    """Seconds of each account's recordings that are done in a second. Raises HarkenError when they run out."""
    times: list[float] = []
    done: list[list[float]] = [[] for _ in owners]
    end = time.perf_counter() + min(seconds, JOB_SECONDS)
    while len(times) < MOMENTS or time.perf_counter() < end:
        times.append(time.perf_counter())
        for owner, values in zip(owners, done, strict=True):
            jobs = owner.positions()
            values.append(sum(position for _, position in jobs))
            if all(status in ENDED for status, _ in jobs):
                raise HarkenError("an account's long files ended before the measurement did: have longer ones")
        time.sleep(LOOK)
    return [slope(times, values) for values in done]
