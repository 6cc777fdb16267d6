# SPDX-License-Identifier: Apache-2.0
"""Workers that really die, sleep and leave, in the middle of a job."""

from __future__ import annotations

import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.fake_runner import LIMITS, WIDTH, result
from tests.jobs.house import House, Worker, until

from harken.model import Job, JobState, Lane, WindowResult

AT_ONCE = sum(LIMITS.values())
"""Windows that a worker has under way at most: one of each job in its hands."""


def _texts(count: int) -> list[str]:
    return [f" w{index}" for index in range(count)]


def _follow(house: House, job: Job, seen: list[tuple[int, WindowResult]]) -> None:
    """Listen as a client does: windows after the last one that was heard, until the job has ended."""
    while True:
        ended = house.store.job(job.id).state.ended
        seen.extend(house.store.windows(job.id, after=seen[-1][0] if seen else -1))
        if ended:
            return
        time.sleep(0.02)


def _stop_between_transactions(house: House, worker: Worker) -> None:
    """SIGSTOP, but not while the worker has SQLite's one write lock: then nobody could do anything."""
    while True:
        worker.send(signal.SIGSTOP)
        if not isinstance(house.database, Path):
            return
        probe = sqlite3.connect(house.database, timeout=0.5, isolation_level=None)
        try:
            probe.execute("BEGIN IMMEDIATE")
            probe.execute("ROLLBACK")
            return
        except sqlite3.OperationalError:
            worker.send(signal.SIGCONT)
        finally:
            probe.close()


def test_another_worker_goes_on_where_a_killed_one_was(house: House) -> None:
    job = house.submit(windows=12, hold=[6])
    first = house.worker().wait_ready()
    seen: list[tuple[int, WindowResult]] = []
    listener = threading.Thread(target=_follow, args=(house, job, seen))
    listener.start()
    house.reached(job, 6)
    house.worker().wait_ready()
    house.open(job, 6)
    first.kill()
    assert house.ended(job).state is JobState.COMPLETED
    listener.join()
    assert house.texts(job) == _texts(12)
    assert seen == [(index, result(index)) for index in range(12)]
    again = Counter(house.recognised(job))
    assert set(again) == set(range(12))
    assert sum(again.values()) - 12 <= 1, "only the window that was under way may be recognised twice"


def test_the_next_worker_goes_on_when_the_only_one_was_killed(house: House) -> None:
    job = house.submit(windows=8, hold=[3])
    first = house.worker().wait_ready()
    house.reached(job, 3)
    first.kill()
    house.open(job, 3)
    house.worker(dead_after=3600.0).wait_ready()
    assert house.ended(job).state is JobState.COMPLETED
    assert house.texts(job) == _texts(8)
    assert house.recognised(job) == list(range(8))


def test_a_worker_that_slept_too_long_is_fenced(house: House) -> None:
    job = house.submit(windows=6, hold=[3])
    sleeper = house.worker(dead_after=4.0).wait_ready()
    house.reached(job, 3)
    _stop_between_transactions(house, sleeper)
    other = house.worker(dead_after=4.0).wait_ready()
    house.open(job, 3)
    assert house.ended(job).state is JobState.COMPLETED
    before = house.store.transcript(job.id)
    sleeper.send(signal.SIGCONT)
    until(lambda: sleeper.executor_id in {executor.id for executor in house.roster.executors()})
    other.leave()
    after = house.submit(windows=2)
    assert house.ended(after).state is JobState.COMPLETED
    sleeper.leave()
    assert house.store.job(job.id).state is JobState.COMPLETED
    assert house.store.transcript(job.id) == before
    assert house.texts(job) == _texts(6)


def test_a_worker_that_leaves_hands_over(house: House) -> None:
    job = house.submit(windows=60, each=0.5)
    first = house.worker().wait_ready()
    until(lambda: len(house.recognised(job)) >= 2)
    first.leave()
    done = house.recognised(job)
    assert 2 <= len(done) < 60
    assert (len(done) - 1) % WIDTH == 0, "it stops at the end of a chapter"
    assert house.roster.executors() == []
    assert house.store.job(job.id).state is JobState.PROCESSING
    for index in range(60):
        house.open(job, index)
    house.worker(dead_after=3600.0).wait_ready()
    assert house.ended(job).state is JobState.COMPLETED
    assert house.recognised(job) == list(range(60))


@pytest.mark.slow
def test_chaos(house: House) -> None:
    """Worker after worker is killed, at work or before, while jobs come in: none is lost, little done twice."""
    chance = random.Random(1)
    workers = [house.worker() for _ in range(3)]
    sizes: dict[str, int] = {}
    jobs: list[Job] = []
    kills = 0
    deadline = time.monotonic() + 20.0
    # A slow machine is given time for kills enough.
    while time.monotonic() < deadline or kills < 3:
        # The queue takes 20: a slow machine is given time to work some off.
        until(lambda: sum(not house.store.job(job.id).state.ended for job in jobs) < 16)
        for lane in (Lane.BATCH, Lane.INTERACTIVE):
            size = chance.randint(3, 12)
            diarize = chance.random() < 0.5
            owner = str(len(jobs) % 3)
            job = house.submit(windows=size, each=0.1, owner=owner, lane=lane, options={"diarize": diarize})
            jobs.append(job)
            sizes[job.id] = size
        last = jobs[-1]
        until(lambda last=last: house.recognised(last))  # type: ignore[misc]
        at = chance.randrange(len(workers))
        workers[at].kill()
        kills += 1
        workers[at] = house.worker()
    ended = [house.ended(job) for job in jobs]
    assert [(job.state, job.error_code) for job in ended] == [(JobState.COMPLETED, None)] * len(jobs)
    for job in jobs:
        assert house.texts(job) == _texts(sizes[job.id])
        found = house.store.transcript(job.id)
        assert found is not None
        assert (len(found.speakers), found.warnings) == (2 if job.options.diarize else 0, ())
    due = sum(sizes.values()) + sum(job.options.diarize for job in jobs)
    again = len(house.folder.done()) - due
    print(f"{len(jobs)} jobs, {due} windows and stages, {kills} kills, {again} of them done again")
    assert kills >= 3
    assert again <= kills * AT_ONCE, "no more than what was under way"
