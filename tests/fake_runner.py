# SPDX-License-Identifier: Apache-2.0
"""A runner of chapters that hears nothing, and a worker process around it.

What it does is written in the job's prompt as JSON: how many ``windows`` there are, at which of them it ``hold``s until
a file opens the gate, which ``error`` the last one raises, how many seconds ``each`` takes whose gate is not open, how
often it is ``flaky``, the file that says that the worker's disk is ``full``.
Finding speakers counts as window :data:`SPEAKERS`; ``lost`` is the error that it raises, unless told how many speak.
There are two, who take turns. With ``channels`` windows are of one channel after the other.
Text is made by :class:`FakeWriter`.
Every window that is recognised is a line in a log, so that tests can count what was done twice.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import sqlalchemy as sa

from harken.audio.remote import Stored
from harken.errors import DiskFull, JobCancelled, WorkerUnavailable, revive
from harken.jobs.executor import WorkerExecutor
from harken.jobs.maintenance import Retention
from harken.model import (
    Diarization,
    Format,
    Job,
    KnownVoice,
    Lane,
    Options,
    Segment,
    Speaker,
    TextResult,
    TextTask,
    Transcript,
    Turn,
    Window,
    WindowResult,
)
from harken.net.landing import Landed
from harken.pipeline import Cursor, advance
from harken.ports import ChapterDone
from harken.store import FolderBlobs, SqlBell, SqlRoster, SqlStages, SqlStore, SqlVoices, connect
from harken.text.provider import Watch
from harken.text.providers import Providers

WIDTH = 4
LIMITS = {Lane.INTERACTIVE: 16, Lane.BATCH: 2, Lane.TEXT: 4}
SECONDS = 10.0
"""Length of a window."""
DEAD_AFTER = 60.0
"""Seconds of silence after which one worker takes another for dead whose process is there. That a process is gone is
seen at once; no test is to wait for it, and none may take a worker for dead that a busy machine keeps from beating."""
SPEAKERS = -1
TEXT = -2
FETCH = -3


@dataclass(frozen=True)
class Folder:
    """Where the processes of one test meet."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "log"

    def gate(self, job_id: str, index: int) -> Path:
        return self.root / f"gate-{job_id}-{index}"

    def reached(self, job_id: str, index: int) -> Path:
        return self.root / f"reached-{job_id}-{index}"

    def done(self) -> list[tuple[str, int]]:
        """Every window that was recognised, in order of time, by job id and index."""
        if not self.log.exists():
            return []
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [(job_id, int(index)) for job_id, index in lines]


def result(index: int, channels: int | None = None) -> WindowResult:
    """What is heard in a window, whoever recognises it."""
    start = index * SECONDS
    segment = Segment(start=start, end=start + SECONDS, text=f" w{index}", language="en")
    window = Window(start, start + SECONDS, channel=None if channels is None else index % channels)
    return WindowResult(window=window, segments=(segment,), language="en")


class FakeRunner:
    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.asked: Counter[str] = Counter()

    def run_chapter(
        self,
        job: Job,
        source: Stored,
        cursor: Cursor,
        saved: Mapping[int, WindowResult],
        on_results: Callable[[Sequence[tuple[int, WindowResult]]], None],
        cancelled: Callable[[], bool],
    ) -> ChapterDone:
        plan: dict[str, Any] = json.loads(job.options.prompt or "{}")
        total = plan.get("windows", 1)
        assert isinstance(source, Path)
        assert source.read_bytes() == b"sound"
        self.asked[job.id] += 1
        if self.asked[job.id] <= plan.get("flaky", 0):
            raise WorkerUnavailable("not now")
        if "full" in plan and (self.folder.root / plan["full"]).exists():
            raise DiskFull("no room for a chapter's samples")
        count = min(1 if cursor.index == 0 else WIDTH, total - cursor.index)
        results = dict(saved)
        for index in range(cursor.index, cursor.index + count):
            if index in results:
                continue
            self._pass(job, plan, index, cancelled)
            if index == total - 1 and "error" in plan:
                if plan["error"] == "bug":
                    raise ZeroDivisionError
                raise revive(plan["error"], "so it was planned")
            with self.folder.log.open("a") as log:
                log.write(f"{job.id} {index}\n")
            results[index] = result(index, plan.get("channels"))
            on_results([(index, results[index])])
        end = cursor.index + count
        ordered = [results[index] for index in range(cursor.index, end)]
        after = advance(cursor, end * SECONDS, end == total, ordered, job.options)
        return ChapterDone(after, total * SECONDS)

    def diarize(
        self,
        job: Job,
        source: Stored,
        options: Options,
        voices: Sequence[KnownVoice],
        on_progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Diarization:
        plan: dict[str, Any] = json.loads(job.options.prompt or "{}")
        assert isinstance(source, Path)
        assert source.read_bytes() == b"sound"
        assert options.diarize
        on_progress(0.25)
        self._pass(job, plan, SPEAKERS, cancelled)
        with self.folder.log.open("a") as log:
            log.write(f"{job.id} {SPEAKERS}\n")
        if "lost" in plan and options.num_speakers is None:
            if plan["lost"] == "bug":
                raise ZeroDivisionError
            raise revive(plan["lost"], "so it was planned")
        count = options.num_speakers or 2
        names = [voice.name for voice in voices] + [None] * count
        ids = [f"SPEAKER_{number:02}" for number in range(count)]
        turns = [
            Turn(index * SECONDS, (index + 1) * SECONDS, ids[index % count], 0.9)
            for index in range(plan.get("windows", 1))
        ]
        return Diarization(
            tuple(turns), tuple(Speaker(one, SECONDS, name=name) for one, name in zip(ids, names, strict=False))
        )

    def release(self, job_id: str) -> None:
        self.asked.pop(job_id, None)

    def _pass(self, job: Job, plan: dict[str, Any], index: int, cancelled: Callable[[], bool]) -> None:
        if index in plan.get("hold", ()):
            self.folder.reached(job.id, index).touch()
        until = time.monotonic() + plan.get("each", 0.0)
        while True:
            if cancelled():
                raise JobCancelled("as asked")
            late = index not in plan.get("hold", ()) and time.monotonic() >= until
            if late or self.folder.gate(job.id, index).exists():
                return
            time.sleep(0.005)


class FakeWriter:
    """Quotes, as the extractive provider does; formats as the instruction says, which is a plan in JSON.

    Its ``name`` stands for the job's id in the log and at the gate, where it is held if it says ``hold``; ``error`` is
    raised, as long as its file is there if it names one.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.real = Providers()

    def write(self, transcript: Transcript, task: TextTask, watch: Watch) -> TextResult:
        if not isinstance(task, Format) or not task.instruction.startswith("{"):
            return self.real.write(transcript, task, watch)
        plan: dict[str, Any] = json.loads(task.instruction)
        watch.progress(0.5)
        self.folder.reached(plan["name"], TEXT).touch()
        while plan.get("hold") and not self.folder.gate(plan["name"], TEXT).exists():
            watch.check()
            time.sleep(0.005)
        with self.folder.log.open("a") as log:
            log.write(f"{plan['name']} {TEXT}\n")
        if "error" in plan and Path(plan.get("while", "/")).exists():
            raise revive(plan["error"], "so it was planned")
        return TextResult(f"{len(transcript.segments)} segments", "fake", generated=False)


class FakeRecordings:
    """Fetches ``fake://NAME?...`` of which the query is a plan: ``hold`` and ``error`` as :class:`FakeWriter`.

    ``full`` has no room until the gate is open.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    @contextmanager
    def obtained(self, url: str, cancelled: Callable[[], bool]) -> Iterator[Landed]:
        where = urlsplit(url)
        plan = dict(parse_qsl(where.query))
        self.folder.reached(where.netloc, FETCH).touch()
        while "hold" in plan and not self.folder.gate(where.netloc, FETCH).exists():
            if cancelled():
                raise JobCancelled("cancelled")
            time.sleep(0.005)
        with self.folder.log.open("a") as log:
            log.write(f"{where.netloc} {FETCH}\n")
        if "error" in plan:
            raise revive(plan["error"], "so it was planned")
        if "full" in plan and not self.folder.gate(where.netloc, FETCH).exists():
            raise DiskFull("so it was planned")
        path = self.folder.root / f"fetched-{where.netloc}"
        path.write_bytes(b"sound")
        yield Landed(path, f"{where.netloc}.mp3", 5, "")
        path.unlink(missing_ok=True)


def build(
    engine: sa.Engine,
    folder: Folder,
    *,
    limits: Mapping[Lane, int] | None = None,
    enough: int = 1,
    dead_after: float = DEAD_AFTER,
    models: Set[str] | None = None,
    **keep: Any,
) -> WorkerExecutor:
    """A worker executor around a fake runner."""
    retention = Retention(**{"keep_audio": 3600.0, "keep_results": 3600.0, "every": 3600.0, **keep})
    return WorkerExecutor(
        engine=engine,
        store=SqlStore(engine),
        stages=SqlStages(engine),
        voices=SqlVoices(engine),
        roster=SqlRoster(engine),
        blobs=FolderBlobs(folder.root / "audio"),
        runner=FakeRunner(folder),
        writer=FakeWriter(folder),
        recordings=FakeRecordings(folder),
        open_bell=lambda: SqlBell(engine),
        limits=limits or LIMITS,
        enough=enough,
        retention=retention,
        dead_after=dead_after,
        canonical=lambda name: name or "base",
        models=models,
    )


def main(kind: str, database: str, root: str, dead_after: str) -> None:
    """Run a worker until SIGTERM."""
    engine = connect(Path(database) if kind == "sqlite" else database)
    executor = build(engine, Folder(Path(root)), dead_after=float(dead_after))
    leave = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leave.set())
    executor.start()
    print("ready", os.getpid(), executor.id, flush=True)
    leave.wait()
    executor.stop(10.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
