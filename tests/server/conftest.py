# SPDX-License-Identifier: Apache-2.0
"""A real HTTP server over a real service, with ports in memory: the protocol without the engine.

The recogniser is canned and held by the test: each window is done when the test lets it.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypeVar

import pytest
from fastapi import FastAPI
from tests.server.gate import Gate, gate
from tests.server.mail import Mail
from tests.server.stages import MemoryStages, MemoryVoices, voiceprint
from tests.server.texts import MemoryTexts

from harken import pipeline
from harken.audio.probe import probe
from harken.diarize.assign import assign
from harken.errors import (
    AddressRefused,
    HarkenError,
    IdempotencyConflict,
    JobEnded,
    JobNotFinished,
    JobNotFound,
    QueueFull,
    StageRunning,
    StoreUnavailable,
)
from harken.model import (
    Diarization,
    Format,
    Job,
    JobState,
    Options,
    Segment,
    Speaker,
    Stage,
    StageKind,
    Summarise,
    Timing,
    Transcript,
    Turn,
    Window,
    WindowResult,
    Word,
    plain,
)
from harken.model.jobs import own_stage
from harken.models.catalog import Catalog
from harken.ports import Arrival, Page, Readiness, Submission
from harken.server import serving
from harken.server.app import AppConfig, create_app
from harken.service import Limits, Service
from harken.store import FolderBlobs
from harken.text.providers import Providers

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a test waits for what must happen, at most."""


def wav(seconds: float = 3.0, rate: int = 16_000) -> bytes:
    """A silent recording."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * int(seconds * rate)))
    return out.getvalue()


def canned() -> list[WindowResult]:
    """Two windows of a talk, and one without speech between them."""

    def segment(start: float, texts: Sequence[str]) -> Segment:
        words = tuple(
            Word(start + 0.4 * number, start + 0.4 * number + 0.35, text, 0.9) for number, text in enumerate(texts)
        )
        return Segment(
            start,
            words[-1].end,
            "".join(texts),
            words=words,
            tokens=tuple(range(100, 100 + len(texts))),
            avg_logprob=-0.2,
            no_speech_prob=0.01,
            compression_ratio=1.1,
            language="en",
        )

    return [
        WindowResult(
            Window(0.0, 1.2, ((0.0, 1.1),)),
            (segment(0.0, [" Hello", " there,", " Zoë"]),),
            language="en",
            language_probability=0.97,
        ),
        WindowResult(Window(1.2, 1.5)),
        WindowResult(
            Window(1.5, 3.0, ((1.5, 2.9),)),
            (segment(1.5, [" how", " are", " <you>?"]),),
            language="en",
            language_probability=0.95,
        ),
    ]


TEXT = "Hello there, Zoë how are <you>?"

PEOPLE = Diarization(
    (Turn(0.0, 1.2, "SPEAKER_00", 0.98), Turn(1.4, 3.0, "SPEAKER_01", 0.91)),
    (Speaker("SPEAKER_00", 1.2, (1.0, 0.0)), Speaker("SPEAKER_01", 1.6, (0.0, 1.0))),
)
"""Each window of the talk is somebody else's."""


def named(people: Diarization, options: Options) -> Diarization:
    """The same people, named after the known voices."""
    names: Iterator[str | None] = chain((voice.name for voice in options.known_voices), repeat(None))
    return replace(people, speakers=tuple(replace(who, name=next(names)) for who in people.speakers))


class Backend:
    """Store, blobs and job engine in memory."""

    def __init__(self, folder: Path, database: Path, **blobs: Any) -> None:
        self.folder = folder
        self.recordings = FolderBlobs(folder, **blobs)
        self.results = canned()
        self.failure: HarkenError | None = None
        self.unwritten: HarkenError | None = None
        """Why no text is made of transcripts."""
        self.away = 0
        """So many more reads find the database away."""
        self.held = threading.Event()
        """Set: windows are done only as :meth:`let` allows."""
        self.queue_limit = 1000
        self.ready = [Readiness("database", True, "answers"), Readiness("workers", True, "1 alive")]
        self.submissions: list[Submission] = []
        self.stages = MemoryStages()
        self.mail = Mail(database, self, self.stages)  # type: ignore[arg-type]  # what webhooks ask of jobs, no more
        self.texts = MemoryTexts(self.stages, lambda: self.unwritten)
        self.voices = MemoryVoices()
        self.named: Callable[[Diarization, Options], Diarization] = named
        self.people = PEOPLE
        """Who is found to speak, by jobs that ask for it; the voices that a job brings are theirs, in order."""
        self._allowed = threading.Semaphore(0)
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._windows: dict[str, dict[int, WindowResult]] = {}
        self._transcripts: dict[str, Transcript] = {}
        self._keys: dict[tuple[str, str], tuple[str, str]] = {}
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    # What tests do

    def hold(self) -> None:
        self.held.set()

    def let(self, windows: int) -> None:
        """Let so many more windows be done."""
        if windows:
            self._allowed.release(windows)

    def go(self) -> None:
        self.held.clear()
        self._allowed.release(1000)

    def only(self) -> Job:
        """The one job there is, waiting for it."""
        return until(lambda: next(iter(self._jobs.values()), None))

    def close(self) -> None:
        self._stopping.set()
        self._allowed.release(1000)
        for thread in self._threads:
            thread.join(PATIENCE)
        self.texts.close(PATIENCE)
        self.mail.close()

    # Store

    def _answers(self) -> None:
        with self._lock:
            if self.away:
                self.away -= 1
                raise StoreUnavailable("the database does not answer; try again in a moment")

    def job(self, job_id: str, owner: str | None = None) -> Job:
        self._answers()
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or owner not in (None, job.owner):
                raise JobNotFound(f"there is no job {job_id}")
            return job

    def jobs(self, owner: str | None, limit: int, cursor: str | None = None) -> Page:
        with self._lock:
            mine = [job for job in reversed(self._jobs.values()) if owner in (None, job.owner)]
        start = next((number + 1 for number, job in enumerate(mine) if job.id == cursor), 0)
        page = mine[start : start + limit]
        return Page(tuple(page), page[-1].id if start + limit < len(mine) else None)

    def windows(self, job_id: str, after: int = -1) -> list[tuple[int, WindowResult]]:
        self._answers()
        with self._lock:
            return [(index, result) for index, result in self._windows[job_id].items() if index > after]

    def request_cancel(self, job_id: str) -> Job:
        with self._lock:
            job = self.job(job_id)
            if job.state.ended:
                raise JobEnded(f"job {job_id} has ended: {job.state.value}")
            queued = job.state is JobState.QUEUED
            return self._put(replace(job, cancel_requested=True, state=JobState.CANCELLED if queued else job.state))

    def transcript(self, job_id: str) -> Transcript | None:
        self._answers()
        with self._lock:
            return self._transcripts.get(job_id)

    def name_speakers(self, job_id: str, names: Mapping[str, str | None]) -> Transcript:
        with self._lock:
            self._transcripts[job_id] = self._transcripts[job_id].named(names)
            return self._transcripts[job_id]

    def _put(self, job: Job) -> Job:
        self._jobs[job.id] = replace(job, updated=time.time())
        if job.state.ended:
            self.mail.ended(self._jobs[job.id])
        return self._jobs[job.id]

    # Blobs and the engine

    def arriving(self, declared: int = 0) -> AbstractContextManager[Arrival]:
        return self.recordings.arriving(declared)

    def sweep(self) -> None:
        self.recordings.sweep()

    def copy(self, key: str, other: str) -> None:
        self.recordings.copy(key, other)

    def keys(self) -> set[str]:
        return self.recordings.keys()

    def delete(self, key: str) -> None:
        """Of the store and of the blobs: both are known by the job's id here."""
        self.recordings.delete(key)
        with self._lock:
            self._jobs.pop(key, None)
            self.mail.deleted(key)
            for stage in self.stages.stages(key):
                del self.stages.kept[stage.id]
            self._keys = {name: kept for name, kept in self._keys.items() if kept[0] != key}

    def submit(self, submission: Submission) -> tuple[Job, bool]:
        job = submission.job
        with self._lock:
            if submission.idempotency_key is not None:
                earlier = self._keys.get((job.owner, submission.idempotency_key))
                if earlier is not None:
                    if earlier[1] != submission.fingerprint:
                        raise IdempotencyConflict("this idempotency key was used with another request")
                    return self._jobs[earlier[0]], False
                self._keys[job.owner, submission.idempotency_key] = (job.id, submission.fingerprint)
            if sum(not other.state.ended for other in self._jobs.values()) >= self.queue_limit:
                raise QueueFull("the queue is full; come again later")
            self.submissions.append(submission)
            self._put(job)
            self._windows[job.id] = {}
            if submission.given is not None:
                transcript, stage = submission.given
                self._transcripts[job.id] = transcript
                self.texts.begin(stage, transcript)
                return job, True
        thread = threading.Thread(target=self._work, args=(job.id,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return job, True

    def submit_stage(self, stage: Stage) -> Stage:
        if self.job(stage.job_id).state is not JobState.COMPLETED:
            raise JobNotFinished(f"job {stage.job_id} has not completed")
        if any(not other.state.ended for other in self.stages.stages(stage.job_id)):
            raise StageRunning("this is being done already")
        if stage.kind is StageKind.DIARIZE:
            self.stages.kept[stage.id] = stage
        else:
            self.texts.begin(stage, self._transcripts[stage.job_id])
        return stage

    def cancel(self, workflow_id: str) -> None:
        """Nothing to take off: the worker looks at the state."""

    def _work(self, job_id: str) -> None:
        began = time.time()
        for index, result in enumerate(self.results):
            if not self._go_on(job_id):
                return
            with self._lock:
                if self._ended(job_id):
                    return
                job = self._put(replace(self._jobs[job_id], state=JobState.PROCESSING, started=began))
                if self.failure is not None:
                    self._put(
                        replace(
                            job,
                            state=JobState.FAILED,
                            error_code=self.failure.code,
                            error_message=self.failure.message,
                        )
                    )
                    return
                self._windows[job_id][index] = result
                self._put(replace(job, position=result.window.end))
        with self._lock:
            job = self._jobs[job_id]
            if self._ended(job_id):
                return
            transcript = pipeline.assemble(
                self.results,
                job.options,
                duration=job.duration or 3.0,
                model=job.options.model or "base",
                timing=Timing(began - job.created, time.time() - began),
            )
            if job.options.diarize:
                transcript = assign(transcript, self.named(self.people, job.options))
            self._transcripts[job_id] = transcript
        for task in (job.options.summary, job.options.formatting):
            if task is not None and not self._write(job, transcript, task):
                return
        with self._lock:
            if not self._ended(job_id):
                self._put(replace(self._jobs[job_id], state=JobState.COMPLETED, stage=None, ended=time.time()))

    def _write(self, job: Job, transcript: Transcript, task: Summarise | Format) -> bool:
        """Do a stage that a job asks for, held as its windows are; False when it was cancelled meanwhile."""
        kind, now = StageKind.FORMAT if isinstance(task, Format) else StageKind.SUMMARISE, time.time()
        with self._lock:
            self._put(replace(self._jobs[job.id], stage=kind))
        stage = Stage(own_stage(job.id, kind), job.id, kind, JobState.PROCESSING, now, now, plain(task), progress=0.5)
        self.stages.kept[stage.id] = stage
        if not self._go_on(job.id):
            return False
        if self.unwritten is None:
            done = replace(stage, state=JobState.COMPLETED, progress=1.0, result=Providers().write(transcript, task))
        else:
            code, message = self.unwritten.code, self.unwritten.message
            done = replace(stage, state=JobState.FAILED, error_code=code, error_message=message)
            with self._lock:
                self._transcripts[job.id] = replace(transcript, warnings=(*transcript.warnings, done.excuse))
        self.stages.kept[stage.id] = done
        return True

    def _go_on(self, job_id: str) -> bool:
        """Wait while all is held; False when the job ended meanwhile, whose turn is another's then."""
        if not self.held.is_set():
            return True
        while not self._allowed.acquire(timeout=0.02):
            if self._stopping.is_set() or self._ended(job_id):
                return False
        if self._ended(job_id):
            self._allowed.release()
            return False
        return True

    def _ended(self, job_id: str) -> bool:
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                return True
            if job.cancel_requested and not job.state.ended:
                job = self._put(replace(job, state=JobState.CANCELLED, ended=time.time()))
            return job.state.ended


def until(look: Callable[[], T | None]) -> T:
    """What ``look`` gives as soon as it gives something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


@dataclass
class Running:
    """A server on a free port of this machine."""

    port: int
    backend: Backend
    service: Service
    spool: Path
    http: serving.Server
    gate: Gate
    app: FastAPI

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spooled(self) -> list[Path]:
        return list(self.spool.iterdir())

    def clean(self) -> None:
        """Wait until no upload is left behind."""
        until(lambda: not self.spooled())


Serve = Callable[..., Running]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers; keyword arguments are those of AppConfig, and ``api_keys``, ``optional`` of the gate."""
    with contextlib.ExitStack() as stack:

        def start(**config: Any) -> Running:
            return stack.enter_context(running(tmp_path, config))

        yield start


@pytest.fixture
def server(serve: Serve) -> Running:
    """A server with default settings."""
    return serve()


def admit(url: str, param: str) -> str:
    if "private" in url:
        raise AddressRefused(f"{param} must not be called", param=param)
    return url


@contextmanager
def running(tmp_path: Path, config: dict[str, Any]) -> Iterator[Running]:
    spool = config.pop("spool_dir", tmp_path / "spool")
    backend = Backend(
        tmp_path / f"audio-{time.monotonic_ns()}",
        spool.with_suffix(".sqlite"),
        spool=spool,
        min_free=config.pop("min_free_bytes", 0),
        free_bytes=config.pop("free_bytes", None),
    )
    service = Service(
        store=backend,  # type: ignore[arg-type]  # what the service calls, no more
        stages=backend.stages,  # type: ignore[arg-type]
        voices=backend.voices,
        blobs=backend,  # type: ignore[arg-type]
        engine=backend,
        catalog=Catalog(),
        probe=probe,
        voiceprint=voiceprint,
        limits=Limits(max_audio_seconds=3600, interactive_seconds=60, job_deadline=3600),
        checks=lambda: backend.ready,
        providers=Providers(),
        admit=admit,
        webhooks=backend.mail.webhooks,
    )
    config.setdefault("wrong_keys_per_minute", 10**6)
    config.setdefault("installed", lambda: {"base"})
    static, optional = config.pop("api_keys", ()), config.pop("optional", True)
    with gate(spool.with_suffix(".sqlite"), static, optional=optional) as opened:
        app = create_app(service, opened, AppConfig(**config, stopping=lambda: http.should_exit))
        listener = socket.create_server(("127.0.0.1", 0))
        http = serving.server(app, drain=5)
        thread = threading.Thread(target=http.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            until(lambda: http.started)
            yield Running(listener.getsockname()[1], backend, service, spool, http, opened, app)
        finally:
            http.should_exit = True
            thread.join(PATIENCE)
            listener.close()
            backend.close()
            assert not thread.is_alive(), "the server did not stop"


@pytest.fixture
def recording() -> bytes:
    """Three seconds of silence."""
    return wav()
