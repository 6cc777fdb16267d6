# SPDX-License-Identifier: Apache-2.0
"""Stages and voices: the contract of the store, on both databases."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from harken.errors import (
    AudioGone,
    HarkenError,
    JobEnded,
    JobNotFinished,
    JobNotFound,
    QueueFull,
    StageNotFound,
    StageRunning,
    VoiceExists,
    VoiceNotFound,
)
from harken.model import (
    Job,
    JobState,
    Lane,
    Options,
    Segment,
    Speaker,
    Stage,
    StageKind,
    Transcript,
    Turn,
    Voice,
)
from harken.ports import Submission
from harken.store import SqlBell, SqlLedger, SqlStages, SqlStore, SqlVoices, connect, preparing, upgrade
from harken.store.base import Sql

PLAIN = Transcript((Segment(0.0, 1.0, " a"),), "en", 12.5, "base")
SPOKEN = replace(PLAIN, turns=(Turn(0.0, 1.0, "SPEAKER_00"),), speakers=(Speaker("SPEAKER_00", 1.0, (0.6, 0.8)),))


class Store:
    """The adapters of one database."""

    def __init__(self, engine: sa.Engine) -> None:
        self.jobs = SqlStore(engine)
        self.stages = SqlStages(engine)
        self.ledger = SqlLedger(engine)

    def job(self, **changes: Any) -> Job:
        now = time.time()
        job_id = str(uuid.uuid4())
        job = Job(job_id, "me", JobState.QUEUED, Lane.BATCH, Options(), "x", now, now, audio=job_id)
        return self.ledger.enter(Submission(replace(job, **changes)), 100, lambda *_: None)[0]

    def running(self) -> tuple[Job, Stage]:
        """A job with its own stage."""
        job = self.job()
        self.jobs.start(job.id, "worker")
        self.jobs.save_transcript(job.id, PLAIN)
        return job, self.stages.open(stage(job, state=JobState.PROCESSING))

    def completed(self) -> Job:
        job = self.job()
        return self.jobs.complete(job.id, PLAIN)

    def enter(self, job: Job, **changes: Any) -> Stage:
        return self.ledger.enter_stage(stage(job, **changes), 100, lambda *_: None)


@pytest.fixture
def store(engine: sa.Engine) -> Store:
    return Store(engine)


def stage(job: Job, **changes: Any) -> Stage:
    now = time.time()
    made = Stage(str(uuid.uuid4()), job.id, StageKind.DIARIZE, JobState.QUEUED, now, now, {"num_speakers": 2})
    return replace(made, **changes)


def test_a_job_has_a_transcript_before_its_stage_and_a_better_one_after(store: Store) -> None:
    job, opened = store.running()
    assert store.jobs.job(job.id).stage is StageKind.DIARIZE
    assert store.jobs.transcript(job.id) == PLAIN
    started = store.stages.start(opened.id)
    assert (started.state, started.attempts, started.options) == (JobState.PROCESSING, 1, {"num_speakers": 2})
    assert started.started is not None
    store.stages.progress(opened.id, 0.5)
    store.stages.progress(opened.id, 0.25)
    assert store.stages.stage(opened.id).progress == 0.5
    done = store.stages.complete(opened.id, SPOKEN)
    assert (done.state, done.progress) == (JobState.COMPLETED, 1.0)
    assert store.jobs.transcript(job.id) == SPOKEN
    assert store.jobs.job(job.id).state is JobState.PROCESSING
    ended = store.jobs.complete(job.id, replace(SPOKEN, warnings=("w",)))
    assert (ended.state, ended.stage) == (JobState.COMPLETED, None)
    assert store.jobs.transcript(job.id) == replace(SPOKEN, warnings=("w",))
    assert store.stages.stages(job.id) == [done]


def test_a_stage_is_opened_once(store: Store) -> None:
    job, opened = store.running()
    store.stages.start(opened.id)
    again = store.stages.open(opened)
    assert again.attempts == 1
    assert [found.id for found in store.stages.stages(job.id)] == [opened.id]


def test_only_a_job_that_runs_gets_a_stage_of_its_own(store: Store) -> None:
    job = store.completed()
    with pytest.raises(JobEnded):
        store.stages.open(stage(job))
    with pytest.raises(JobNotFound):
        store.stages.open(stage(replace(job, id=str(uuid.uuid4()))))
    assert store.stages.stages(job.id) == []


@pytest.mark.parametrize("end", ["complete", "fail", "cancelled"])
def test_a_stage_ends_with_its_job(store: Store, end: str) -> None:
    job, opened = store.running()
    ends: dict[str, Callable[[], Job]] = {
        "complete": lambda: store.jobs.complete(job.id, PLAIN),
        "fail": lambda: store.jobs.fail(job.id, "x", "y"),
        "cancelled": lambda: store.jobs.cancelled(job.id),
    }
    ends[end]()
    assert store.stages.stage(opened.id).state is JobState.CANCELLED
    assert store.jobs.job(job.id).stage is None
    assert store.stages.complete(opened.id, SPOKEN).state is JobState.CANCELLED
    assert store.jobs.transcript(job.id) == PLAIN


def test_an_end_of_a_stage_is_final(store: Store) -> None:
    _, opened = store.running()
    failed = store.stages.fail(opened.id, "x", "bad\0")
    assert (failed.state, failed.error_code, failed.error_message) == (JobState.FAILED, "x", "bad�")
    changes: list[Callable[[], Stage]] = [
        lambda: store.stages.complete(opened.id, SPOKEN),
        lambda: store.stages.cancelled(opened.id),
        lambda: store.stages.start(opened.id),
        lambda: store.stages.fail(opened.id, "y", "z"),
    ]
    for change in changes:
        assert change() == failed
    store.stages.progress(opened.id, 0.9)
    assert store.stages.stage(opened.id) == failed
    with pytest.raises(JobEnded):
        store.stages.request_cancel(opened.id)


def test_cancelling_a_job_marks_its_stage(store: Store) -> None:
    job, opened = store.running()
    other, untouched = store.running()
    store.jobs.request_cancel(job.id)
    assert store.stages.stage(opened.id).cancel_requested
    assert not store.stages.stage(untouched.id).cancel_requested
    assert not store.jobs.job(other.id).cancel_requested


def test_cancelling_a_stage(store: Store) -> None:
    job, opened = store.running()
    marked = store.stages.request_cancel(opened.id)
    assert (marked.state, marked.cancel_requested) == (JobState.PROCESSING, True)
    assert not store.jobs.job(job.id).cancel_requested
    queued = store.enter(store.completed())
    cancelled = store.stages.request_cancel(queued.id)
    assert (cancelled.state, cancelled.cancel_requested) == (JobState.CANCELLED, True)
    assert cancelled.ended is not None


def test_who_puts_something_down_does_not_count(store: Store) -> None:
    job, opened = store.running()
    for _ in range(2):
        store.jobs.start(job.id, "worker")
        store.stages.start(opened.id)
    store.jobs.put_down(job.id)
    store.stages.put_down(opened.id)
    assert (store.jobs.job(job.id).attempts, store.stages.stage(opened.id).attempts) == (1, 1)
    for _ in range(3):
        store.jobs.put_down(job.id)
        store.stages.put_down(opened.id)
    assert (store.jobs.job(job.id).attempts, store.stages.stage(opened.id).attempts) == (0, 0)


def test_every_change_of_a_stage_that_is_not_there_says_so(store: Store) -> None:
    job, opened = store.running()
    store.jobs.delete(job.id)
    changes: list[Callable[[], object]] = [
        lambda: store.stages.stage(opened.id),
        lambda: store.stages.start(opened.id),
        lambda: store.stages.put_down(opened.id),
        lambda: store.stages.progress(opened.id, 0.5),
        lambda: store.stages.complete(opened.id, SPOKEN),
        lambda: store.stages.fail(opened.id, "x", "y"),
        lambda: store.stages.cancelled(opened.id),
        lambda: store.stages.request_cancel(opened.id),
    ]
    for change in changes:
        with pytest.raises(StageNotFound):
            change()
    assert store.stages.stages(job.id) == []
    with pytest.raises(JobNotFound):
        store.jobs.save_transcript(job.id, PLAIN)


def test_what_a_stage_that_is_entered_needs(store: Store) -> None:
    job = store.completed()
    entered = store.enter(job)
    assert store.stages.stage(entered.id) == entered
    with pytest.raises(StageRunning):
        store.enter(job)
    store.stages.start(entered.id)
    with pytest.raises(StageRunning):
        store.enter(job)
    store.stages.fail(entered.id, "x", "y")
    again = store.enter(job, created=entered.created + 1)
    assert [found.id for found in store.stages.stages(job.id)] == [entered.id, again.id]
    store.stages.complete(again.id, SPOKEN)
    store.jobs.audio_swept(job.id)
    with pytest.raises(AudioGone):
        store.enter(job)
    waiting = store.job()
    with pytest.raises(JobNotFinished):
        store.enter(waiting)
    failed = store.jobs.fail(store.job().id, "x", "y")
    with pytest.raises(JobNotFinished):
        store.enter(failed)
    with pytest.raises(JobNotFound):
        store.enter(replace(job, id=str(uuid.uuid4())))


def test_of_many_who_enter_one_does(store: Store) -> None:
    job = store.completed()

    def enter(_: int) -> bool:
        try:
            store.enter(job)
        except StageRunning:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(16))) == 1


def test_stages_and_jobs_share_the_queue(store: Store) -> None:
    first, second = store.completed(), store.completed()
    entered = store.enter(first)
    waiting = store.job()
    with pytest.raises(QueueFull):
        store.ledger.enter_stage(stage(second), 2, lambda *_: None)
    with pytest.raises(QueueFull):
        store.ledger.enter(Submission(replace(waiting, id=str(uuid.uuid4()))), 2, lambda *_: None)
    store.stages.start(entered.id)
    seen: list[tuple[Lane, int]] = []
    store.ledger.enter_stage(stage(second), 2, lambda _, lane, active: seen.append((lane, active)))
    assert seen == [(second.lane, 2)]
    _, opened = store.running()
    store.stages.start(opened.id)
    active: list[int] = []
    fresh = replace(waiting, id=str(uuid.uuid4()))
    store.ledger.enter(Submission(fresh), 100, lambda _, __, count: active.append(count))
    assert active == [4], "a running job counts once, its own stage or not"


def test_the_bell_tells_of_stages_that_wait(store: Store, engine: sa.Engine) -> None:
    job = store.completed()
    bell = SqlBell(engine)
    bell.wait(0.0)
    assert bell.waiting() == set()
    entered = store.enter(job)
    assert bell.wait(60.0)
    assert bell.waiting() == {(Lane.BATCH, None)}
    store.stages.start(entered.id)
    assert bell.waiting() == set()
    bell.close()


def test_what_the_sweeper_asks_for(store: Store) -> None:
    later = time.time() + 60.0
    job = store.completed()
    entered = store.enter(job, deadline=1000.0)
    assert store.stages.overdue(1000.0) == []
    assert [found.id for found in store.stages.overdue(1001.0)] == [entered.id]
    assert store.jobs.expired_audio(later) == [], "a stage needs it"
    store.stages.fail(entered.id, "x", "y")
    assert store.stages.overdue(1001.0) == []
    assert [found.id for found in store.jobs.expired_audio(later)] == [job.id]


def test_voices_are_their_owners(engine: sa.Engine) -> None:
    voices = SqlVoices(engine)
    zoe = Voice("me", "Zoë", (0.1, -1 / 3), 12.25, 1000.5)
    anna = Voice("me", "Anna", (1.0, 0.0), 3.0, 1001.0)
    theirs = Voice("you", "Zoë", (0.0, 1.0), 4.0, 1002.0)
    for voice in (zoe, anna, theirs):
        voices.enrol(voice)
    assert voices.voices("me") == [anna, zoe]
    assert voices.voices("you") == [theirs]
    assert voices.voices("nobody") == []
    taken: list[type[HarkenError]] = [VoiceExists, VoiceNotFound]
    with pytest.raises(taken[0]):
        voices.enrol(replace(zoe, centroid=(0.0, 0.0)))
    assert voices.voices("me") == [anna, zoe]
    voices.forget("me", "Zoë")
    with pytest.raises(taken[1]):
        voices.forget("me", "Zoë")
    assert (voices.voices("me"), voices.voices("you")) == ([anna], [theirs])


@pytest.mark.parametrize("change", ["complete", "name"])
def test_a_job_is_deleted_while_its_transcript_changes(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    engine = connect(postgres_url)
    with preparing(engine):
        upgrade(engine)
    store = Store(engine)
    job = store.job()
    store.jobs.start(job.id, "worker")
    store.jobs.complete(job.id, SPOKEN)
    stage = Stage(str(uuid.uuid4()), job.id, StageKind.DIARIZE, JobState.QUEUED, 1.0, 1.0)
    store.ledger.enter_stage(stage, 10, lambda *_: None)
    deleting: list[Future[None]] = []
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    blocked = sa.text(waiting)

    def write_late(adapter: Sql, connection: sa.Connection, job_id: str, transcript: Transcript) -> None:
        deleting.append(pool.submit(store.jobs.delete, job_id))
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with engine.connect() as other:
                if other.execute(blocked).scalar():
                    break
            time.sleep(0.01)
        write(adapter, connection, job_id, transcript)

    write = Sql._write_transcript
    monkeypatch.setattr(Sql, "_write_transcript", write_late)
    with ThreadPoolExecutor(1) as pool:
        if change == "complete":
            assert store.stages.complete(stage.id, SPOKEN).state is JobState.COMPLETED
        else:
            store.jobs.name_speakers(job.id, {"SPEAKER_00": "Ada"})
        deleting[0].result(60)
    with pytest.raises(JobNotFound):
        store.jobs.job(job.id)
    engine.dispose()
