# SPDX-License-Identifier: Apache-2.0
"""What a test of the jobs has in hand: the API's side of a database, and workers in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from tests.fake_runner import DEAD_AFTER, Folder

from harken.jobs.engine import DurableJobs
from harken.model import Job, JobState, Lane, Options
from harken.ports import Submission
from harken.store import FolderBlobs, SqlRoster, SqlStages, SqlStore, SqlVoices

T = TypeVar("T")
PATIENCE = 120.0


def until(what: Callable[[], T], seconds: float = PATIENCE, pause: float = 0.01) -> T:
    """The first truthy answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds} s in vain; the last answer was {answer!r}"
        time.sleep(pause)


class Worker:
    """A worker in a process of its own."""

    def __init__(self, database: Path | str, folder: Folder, dead_after: float) -> None:
        kind = "sqlite" if isinstance(database, Path) else "postgresql"
        script = Path(__file__).parent.parent / "fake_runner.py"
        self.log = folder.root / f"worker-{uuid.uuid4().hex}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(script), kind, str(database), str(folder.root), str(dead_after)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def wait_ready(self) -> Worker:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        assert line[:1] == ["ready"], self.log.read_text()
        self.executor_id = line[2]
        return self

    def send(self, what: signal.Signals) -> None:
        os.kill(self.process.pid, what)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def leave(self) -> None:
        """Stop cleanly."""
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class House:
    """What the API's process has, and the workers."""

    database: Path | str
    engine: sa.Engine
    folder: Folder
    store: SqlStore
    stages: SqlStages
    voices: SqlVoices
    roster: SqlRoster
    blobs: FolderBlobs
    jobs: DurableJobs
    workers: list[Worker] = field(default_factory=list)

    def submission(
        self,
        *,
        owner: str = "me",
        lane: Lane = Lane.INTERACTIVE,
        key: str | None = None,
        fingerprint: str = "",
        deadline: float | None = None,
        options: Mapping[str, Any] | None = None,
        model: str = "base",
        **plan: Any,
    ) -> Submission:
        job_id = str(uuid.uuid4())
        spool = self.folder.root / f"spool-{job_id}"
        spool.write_bytes(b"sound")
        self.blobs.adopt(spool, job_id)
        now = time.time()
        how = Options(model=model, language="en", prompt=json.dumps(plan), **(options or {}))
        job = Job(
            id=job_id,
            owner=owner,
            state=JobState.QUEUED,
            lane=lane,
            options=how,
            filename="talk.mp3",
            created=now,
            updated=now,
            audio=job_id,
            size=5,
            deadline=None if deadline is None else now + deadline,
        )
        return Submission(job, idempotency_key=key, fingerprint=fingerprint, model=model)

    def submit(self, **how: Any) -> Job:
        job, new = self.jobs.submit(self.submission(**how))
        assert new
        return job

    def worker(self, dead_after: float = DEAD_AFTER) -> Worker:
        """Start a worker process; it may not be ready yet."""
        worker = Worker(self.database, self.folder, dead_after)
        self.workers.append(worker)
        return worker

    def ended(self, job: Job) -> Job:
        """The job once it has ended."""

        def look() -> Job | None:
            seen = self.store.job(job.id)
            return seen if seen.state.ended else None

        found = until(look)
        assert found is not None
        return found

    def texts(self, job: Job) -> list[str]:
        transcript = self.store.transcript(job.id)
        assert transcript is not None
        return [segment.text for segment in transcript.segments]

    def recognised(self, job: Job) -> list[int]:
        """Every window of a job that any worker recognised, repeats included."""
        return [index for job_id, index in self.folder.done() if job_id == job.id]

    def reached(self, job: Job, index: int) -> None:
        """Wait until a worker holds at a window."""
        until(self.folder.reached(job.id, index).exists)

    def open(self, job: Job, index: int) -> None:
        """Let it pass."""
        self.folder.gate(job.id, index).touch()
