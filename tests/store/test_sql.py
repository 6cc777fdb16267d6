# SPDX-License-Identifier: Apache-2.0
"""The store's contract, on both databases."""

from __future__ import annotations

import base64
import math
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from harken.errors import IdempotencyConflict, InvalidOption, JobEnded, JobNotFound, QueueFull
from harken.model import (
    Dropped,
    DropReason,
    Job,
    JobState,
    Lane,
    Options,
    Segment,
    Transcript,
    Window,
    WindowResult,
    Word,
)
from harken.ports import Executor, Submission
from harken.store import SqlBell, SqlLedger, SqlRoster, SqlStore


class Store(SqlStore, SqlLedger):
    """What the API has of the store, in one hand."""


@pytest.fixture
def store(engine: sa.Engine) -> Store:
    return Store(engine)


def _job(**changes: object) -> Job:
    now = time.time()
    job = Job(
        id=str(uuid.uuid4()),
        owner="me",
        state=JobState.QUEUED,
        lane=Lane.BATCH,
        options=Options(model="base", vocabulary=("harken", "Čapek"), temperature=0.2),
        filename="talk.mp3",
        created=now,
        updated=now,
        audio=str(uuid.uuid4()),
        size=3 * 1024**3,
        warnings=("unknown field: x",),
        view={"format": "srt", "deep": [1, {"a": None}]},
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def _enter(store: Store, job: Job | None = None, **how: object) -> Job:
    entered, new = store.enter(Submission(job or _job(), **how), 100, lambda *_: None)  # type: ignore[arg-type]
    assert new
    return entered


def _result(index: int, text: str = "") -> WindowResult:
    word = Word(index * 10.0, index * 10.0 + 1, " wörd\0", 0.5)
    segment = Segment(
        word.start, word.end, text or f" s{index} \ud83d", (word,), (1, 2, 3), avg_logprob=-math.inf, channel=1
    )
    dropped = Dropped(1.0, 2.0, "uh", DropReason.NO_SPEECH)
    window = Window(index * 10.0, index * 10.0 + 10.0, speech=((0.5, 1.5),), channel=1)
    return WindowResult(window, (segment,), (dropped,), "en", 0.9)


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRANSCRIPT = Transcript(segments=_result(0).segments, language="en", duration=12.5, model="base", warnings=("w",))


def test_a_job_comes_back_as_it_was(store: Store) -> None:
    job = _job(deadline=123.5, duration=7.25, traceparent=TRACEPARENT)
    assert _enter(store, job) == job
    assert store.job(job.id) == job
    assert store.job(job.id, "me") == job


def test_names_that_no_database_holds_are_mended(store: Store) -> None:
    job = _enter(store, _job(filename="a\0b\ud83d.mp3"))
    assert store.job(job.id).filename == "a\N{REPLACEMENT CHARACTER}b?.mp3"
    assert store.fail(job.id, "x", "bad\0").error_message == "bad\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("job_id", ["nope", "", "a\0b", "\ud83d", "x" * 10_000])
def test_a_job_that_is_not_there(store: Store, job_id: str) -> None:
    with pytest.raises(JobNotFound):
        store.job(job_id)
    assert store.windows(job_id) == []
    assert store.transcript(job_id) is None


def test_every_change_of_a_job_that_is_not_there_says_so(store: Store) -> None:
    job_id = str(uuid.uuid4())
    changes: list[Callable[[], object]] = [
        lambda: store.start(job_id, "worker"),
        lambda: store.save_windows(job_id, [(0, _result(0))], position=1.0, duration=None),
        lambda: store.complete(job_id, TRANSCRIPT),
        lambda: store.fail(job_id, "x", "y"),
        lambda: store.cancelled(job_id),
        lambda: store.request_cancel(job_id),
    ]
    for change in changes:
        with pytest.raises(JobNotFound):
            change()
    store.delete(job_id)
    store.audio_swept(job_id)


def test_a_job_of_another_is_not_there(store: Store) -> None:
    job = _enter(store)
    with pytest.raises(JobNotFound):
        store.job(job.id, "you")


def test_the_life_of_a_job(store: Store) -> None:
    job = _enter(store)
    started = store.start(job.id, "worker")
    assert (started.state, started.attempts) == (JobState.PROCESSING, 1)
    assert started.started is not None
    again = store.start(job.id, "worker")
    assert (again.started, again.attempts) == (started.started, 2)
    store.save_windows(job.id, [(0, _result(0))], position=10.0, duration=None)
    seen = store.job(job.id)
    assert (seen.position, seen.duration, seen.attempts) == (10.0, None, 0)
    store.save_windows(job.id, [], position=5.0, duration=30.0)
    seen = store.job(job.id)
    assert (seen.position, seen.duration) == (10.0, 30.0)
    done = store.complete(job.id, TRANSCRIPT)
    assert (done.state, done.position, done.duration) == (JobState.COMPLETED, 12.5, 12.5)
    assert done.ended is not None
    assert store.transcript(job.id) == TRANSCRIPT


@pytest.mark.parametrize("end", ["complete", "fail", "cancelled", "request_cancel"])
def test_an_end_is_final(store: Store, end: str) -> None:
    job = _enter(store)
    ends: dict[str, Callable[[], Job]] = {
        "complete": lambda: store.complete(job.id, TRANSCRIPT),
        "fail": lambda: store.fail(job.id, "x", "y"),
        "cancelled": lambda: store.cancelled(job.id),
        "request_cancel": lambda: store.request_cancel(job.id),
    }
    ended = ends.pop(end)()
    assert ended.state.ended
    ends.pop("request_cancel", None)
    for other in ends.values():
        assert other() == ended
    assert store.start(job.id, "worker") == ended
    store.save_windows(job.id, [(0, _result(0))], position=99.0, duration=99.0)
    with pytest.raises(JobEnded):
        store.request_cancel(job.id)
    assert store.job(job.id) == ended
    assert store.windows(job.id) == []
    assert (store.transcript(job.id) is not None) == (end == "complete")


def test_one_of_many_ends_wins(store: Store) -> None:
    job = _enter(store)
    store.start(job.id, "worker")
    ends: list[Callable[[], Job]] = [
        lambda: store.complete(job.id, TRANSCRIPT),
        lambda: store.fail(job.id, "x", "y"),
        lambda: store.cancelled(job.id),
    ]
    with ThreadPoolExecutor(12) as pool:
        seen = [future.result() for future in [pool.submit(end) for end in ends * 4]]
    assert len({found.state for found in seen}) == 1
    assert (store.transcript(job.id) is not None) == (seen[0].state is JobState.COMPLETED)


def test_cancelling_a_running_job_marks_it(store: Store) -> None:
    job = _enter(store)
    store.start(job.id, "worker")
    marked = store.request_cancel(job.id)
    assert (marked.state, marked.cancel_requested, marked.ended) == (JobState.PROCESSING, True, None)
    assert store.cancelled(job.id).state is JobState.CANCELLED


def test_windows_come_in_order_up_to_the_first_gap(store: Store) -> None:
    job = _enter(store)
    other = _enter(store)
    store.save_windows(other.id, [(0, _result(7))], position=1.0, duration=None)
    store.save_windows(job.id, [(4, _result(4)), (1, _result(1))], position=1.0, duration=None)
    assert store.windows(job.id) == []
    store.save_windows(job.id, [(0, _result(0))], position=1.0, duration=None)
    assert store.windows(job.id) == [(0, _result(0)), (1, _result(1))]
    assert store.windows(job.id, after=0) == [(1, _result(1))]
    assert store.windows(job.id, after=1) == []
    assert store.saved(job.id) == {index: _result(index) for index in (0, 1, 4)}
    assert store.saved(job.id, first=2) == {4: _result(4)}
    store.save_windows(job.id, [(2, _result(2)), (3, _result(3))], position=1.0, duration=None)
    assert [index for index, _ in store.windows(job.id, after=1)] == [2, 3, 4]


def test_a_saved_window_stays_as_it_is(store: Store) -> None:
    job = _enter(store)
    store.save_windows(job.id, [(0, _result(0))], position=1.0, duration=None)
    store.save_windows(job.id, [(0, _result(0, "other")), (1, _result(1))], position=1.0, duration=None)
    assert store.windows(job.id) == [(0, _result(0)), (1, _result(1))]


def test_jobs_are_listed_newest_first_page_by_page(store: Store) -> None:
    # Three of one instant: the order must hold there too.
    mine = [_enter(store, _job(created=float(index // 3), id=f"{index:036}")) for index in range(10)]
    _enter(store, _job(owner="you"))
    listed: list[str] = []
    cursor = None
    pages = 0
    while True:
        page = store.jobs("me", 4, cursor)
        listed += [job.id for job in page.jobs]
        pages += 1
        cursor = page.next
        if cursor is None:
            break
    assert listed == [job.id for job in reversed(mine)]
    assert pages == 3
    assert len(store.jobs(None, 100).jobs) == 11
    assert store.jobs("nobody", 5) == store.jobs("me", 5, store.jobs("me", 9).next).__class__(jobs=(), next=None)


_HOSTILE_CURSORS = [
    base64.urlsafe_b64encode(text.encode()).decode() for text in ("1.0 \0", "nan 6f9619ff-8b86-d011-b42d-00cf4fc964ff")
]


@pytest.mark.parametrize("cursor", ["", "x", "=", "🦉", "MS4w", "bm90IGEgbnVtYmVy", "MSAyIDM", *_HOSTILE_CURSORS])
def test_a_cursor_that_is_none(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        store.jobs("me", 5, cursor)
    assert caught.value.param == "cursor"


def test_idempotency_and_cap_of_the_ledger(store: Store) -> None:
    first = _enter(store, idempotency_key="k", fingerprint="f")
    again, new = store.enter(Submission(_job(), "k", "f"), 1, lambda *_: None)
    assert (again, new) == (first, False)
    with pytest.raises(IdempotencyConflict):
        store.enter(Submission(_job(), "k", "g"), 1, lambda *_: None)
    with pytest.raises(QueueFull):
        store.enter(Submission(_job()), 1, lambda *_: None)
    store.start(first.id, "worker")
    active: list[int] = []
    store.enter(Submission(_job()), 1, lambda _, __, count: active.append(count))
    assert active == [1]


def test_an_expired_job_gives_its_idempotency_key_back_before_it_is_swept(engine: sa.Engine) -> None:
    now = [1000.0]
    store = Store(engine, clock=lambda: now[0])
    first = _enter(store, _job(keep=60.0), idempotency_key="k", fingerprint="f")
    store.complete(first.id, TRANSCRIPT)
    now[0] = 1059.0
    assert store.enter(Submission(_job(), "k", "f"), 9, lambda *_: None) == (store.job(first.id), False)
    now[0] = 1060.0
    other = Submission(_job(), "k", "another recording")
    assert store.enter(other, 9, lambda *_: None) == (store.job(other.job.id), True)
    assert store.enter(Submission(_job(), "k", "another recording"), 9, lambda *_: None)[0].id == other.job.id
    store.delete(first.id)
    assert store.enter(Submission(_job(), "k", "another recording"), 9, lambda *_: None)[0].id == other.job.id


def test_deleting_removes_all(store: Store, engine: sa.Engine) -> None:
    job = _enter(store, idempotency_key="k")
    store.save_windows(job.id, [(0, _result(0))], position=1.0, duration=None)
    store.complete(job.id, TRANSCRIPT)
    store.delete(job.id)
    with engine.connect() as connection:
        counts = [
            connection.exec_driver_sql(f"SELECT count(*) FROM harken_{name}").scalar()
            for name in ("jobs", "windows", "transcripts", "idempotency")
        ]
    assert counts == [0, 0, 0, 0]


def test_what_the_sweeper_asks_for(engine: sa.Engine) -> None:
    now = [1000.0]
    store = Store(engine, clock=lambda: now[0])
    waiting = _enter(store, _job(deadline=1500.0))
    running = _enter(store, _job(deadline=1500.0))
    store.start(running.id, "worker")
    done = _enter(store, _job(deadline=1.0))
    store.complete(done.id, TRANSCRIPT)
    assert store.overdue(1500.0) == []
    assert {job.id for job in store.overdue(1501.0)} == {waiting.id, running.id}
    assert len(store.overdue(1501.0, limit=1)) == 1
    assert store.expired_jobs(1010.0, 10.0) == []
    assert [job.id for job in store.expired_jobs(1011.0, 10.0)] == [done.id]
    assert [job.id for job in store.expired_audio(1001.0)] == [done.id]
    assert store.audio_keys() == {waiting.audio, running.audio, done.audio}
    store.audio_swept(done.id)
    assert store.expired_audio(1001.0) == []
    assert store.job(done.id).audio is None
    assert store.audio_keys() == {waiting.audio, running.audio}


def test_a_job_says_for_itself_how_long_it_is_kept(engine: sa.Engine) -> None:
    now = [1000.0]
    store = Store(engine, clock=lambda: now[0])
    kept, brief = _enter(store), _enter(store, _job(keep=60.0))
    for job in (kept, brief):
        store.complete(job.id, TRANSCRIPT)
    assert store.expired_jobs(1059.0, 3600.0) == []
    assert [job.id for job in store.expired_jobs(1060.0, 3600.0)] == [brief.id]
    ended = store.job(brief.id)
    assert (ended.expired(1059.0), ended.expired(1060.0), store.job(kept.id).expired(1e9)) == (False, True, False)


def test_heartbeats_by_the_clock_of_the_database(store: Store, engine: sa.Engine) -> None:
    roster = SqlRoster(engine)
    executor = Executor("a", "host", 12, 2**40, lanes=(Lane.BATCH,), models=("tiny", "small"))
    roster.beat(executor)
    roster.beat(executor)
    (found,) = roster.executors()
    assert replace(found, silence=0.0) == executor
    assert -0.1 <= found.silence < 5.0
    roster.leave("a")
    assert roster.executors() == []


def test_a_duty_is_taken_once(engine: sa.Engine) -> None:
    roster = SqlRoster(engine)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: roster.take_duty("sweep", 3600.0), range(16)))
    assert sum(taken) == 1
    assert roster.take_duty("other", 3600.0)
    assert roster.take_duty("sweep", 0.0)


def test_the_bell_rings_for_what_others_commit(store: Store, engine: sa.Engine) -> None:
    bell = SqlBell(engine)
    bell.wait(0.0)
    assert not bell.wait(0.1)
    timer = threading.Timer(0.1, lambda: _enter(store, _job(lane=Lane.INTERACTIVE)))
    timer.start()
    assert bell.wait(30.0)
    timer.join()
    assert bell.waiting() == {(Lane.INTERACTIVE, None)}
    job = _enter(store, model="tiny")
    assert bell.waiting() == {(Lane.INTERACTIVE, None), (Lane.BATCH, "tiny")}
    store.start(job.id, "worker")
    assert bell.waiting() == {(Lane.INTERACTIVE, None)}
    bell.close()


def test_ping_tells_a_database_without_tables(store: Store, engine: sa.Engine) -> None:
    store.ping()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE harken_deliveries")
        connection.exec_driver_sql("DROP TABLE harken_windows")
        connection.exec_driver_sql("DROP TABLE harken_transcripts")
        connection.exec_driver_sql("DROP TABLE harken_idempotency")
        connection.exec_driver_sql("DROP TABLE harken_stages")
        connection.exec_driver_sql("DROP TABLE harken_jobs")
    with pytest.raises(sa.exc.DBAPIError):
        store.ping()


def test_polling_for_windows_reads_a_range_of_the_key(engine: sa.Engine) -> None:
    query = "SELECT idx, result FROM harken_windows WHERE job_id = 'x' AND idx >= 5 ORDER BY idx"
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET enable_seqscan = off")
        plan = str(connection.exec_driver_sql(f"{explain} {query}").all())
    assert "autoindex_harken_windows" in plan or "pk_harken_windows" in plan
    assert "SCAN" not in plan
