# SPDX-License-Identifier: Apache-2.0
"""Entering jobs: one transaction, caps and keys that hold under any crowd, lanes and fair order."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from dbos import DBOSClient, WorkflowStatusString
from dbos._core import ActiveWorkflowById
from tests.jobs.house import House, until

import harken.jobs.queues
from harken.errors import IdempotencyConflict, QueueFull
from harken.jobs.names import SERIALIZER
from harken.model import Job, JobState, Lane

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor

T = TypeVar("T")


def _crowd(work: Callable[[int], T], size: int) -> list[T]:
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(work, range(size)))


def _enqueued(house: House) -> set[str]:
    client = DBOSClient(system_database_engine=house.engine, serializer=SERIALIZER)
    found = client.list_workflows(status=WorkflowStatusString.ENQUEUED.value)
    client.destroy()
    return {status.workflow_id for status in found}


def _taken(house: House) -> list[str]:
    """Every job in the order in which the queue gave them out; who of two in hand is done first says nothing of it."""
    client = DBOSClient(system_database_engine=house.engine, serializer=SERIALIZER)
    taken = {status.workflow_id: status.dequeued_at or 0 for status in client.list_workflows()}
    client.destroy()
    assert all(taken.values()), taken
    return sorted((job_id for job_id, _ in house.folder.done()), key=taken.__getitem__)


def test_the_cap_holds_under_a_crowd(house: House) -> None:
    submissions = [house.submission() for _ in range(40)]

    def submit(index: int) -> Job | None:
        try:
            return house.jobs.submit(submissions[index])[0]
        except QueueFull:
            return None

    entered = {job.id for job in _crowd(submit, 40) if job is not None}
    assert len(entered) == 20
    assert {job.id for job in house.store.jobs(None, 100).jobs} == entered
    assert _enqueued(house) == entered


def test_a_key_makes_one_job_under_a_crowd(house: House) -> None:
    submissions = [house.submission(key="k", fingerprint="f") for _ in range(16)]
    answers = _crowd(lambda index: house.jobs.submit(submissions[index]), 16)
    assert len({job.id for job, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    assert _enqueued(house) == {answers[0][0].id}


def test_a_key_is_the_callers_own(house: House) -> None:
    mine, new = house.jobs.submit(house.submission(key="k", fingerprint="f"))
    assert new
    other, new = house.jobs.submit(house.submission(key="k", fingerprint="g", owner="you"))
    assert new
    assert mine.id != other.id
    with pytest.raises(IdempotencyConflict):
        house.jobs.submit(house.submission(key="k", fingerprint="g"))


def test_a_key_gives_its_job_even_when_the_queue_is_full(house: House) -> None:
    first, _ = house.jobs.submit(house.submission(key="k" * 5000 + "\0", fingerprint="f"))
    for _ in range(19):
        house.submit()
    with pytest.raises(QueueFull):
        house.submit()
    again, new = house.jobs.submit(house.submission(key="k" * 5000 + "\0", fingerprint="f"))
    assert (again.id, new) == (first.id, False)


def test_a_key_goes_with_its_job(house: House) -> None:
    first, _ = house.jobs.submit(house.submission(key="k", fingerprint="f"))
    house.store.delete(first.id)
    again, new = house.jobs.submit(house.submission(key="k", fingerprint="g"))
    assert new
    assert again.id != first.id


def test_nothing_is_entered_when_the_queue_refuses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(house.jobs._client, "enqueue_in_transaction", refuse)
    with pytest.raises(RuntimeError):
        house.submit(key="k")
    assert house.store.jobs(None, 10).jobs == ()


def test_the_bell_wakes_a_worker(house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harken.jobs.queues, "_FALLBACK", 3600.0)
    start_executor()
    jobs = [house.submit(lane=lane) for lane in Lane]
    assert [house.ended(job).state for job in jobs] == [JobState.COMPLETED] * len(Lane)


def test_a_free_place_is_taken_without_a_new_job(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harken.jobs.queues, "_FALLBACK", 3600.0)
    jobs = [house.submit() for _ in range(5)]
    start_executor(limits={Lane.INTERACTIVE: 1})
    assert [house.ended(job).state for job in jobs] == [JobState.COMPLETED] * 5


def test_short_ones_do_not_wait_behind_long_ones(house: House, start_executor: StartExecutor) -> None:
    long = [house.submit(windows=3, hold=[1], lane=Lane.BATCH) for _ in range(4)]
    start_executor(limits={Lane.BATCH: 2, Lane.INTERACTIVE: 4})
    until(lambda: sum(house.folder.reached(job.id, 1).exists() for job in long) == 2)
    short = [house.submit() for _ in range(6)]
    assert [house.ended(job).state for job in short] == [JobState.COMPLETED] * 6
    assert [house.store.job(job.id).state.ended for job in long] == [False] * 4
    for job in long:
        house.open(job, 1)
    assert [house.ended(job).state for job in long] == [JobState.COMPLETED] * 4


def test_many_jobs_of_one_caller_do_not_starve_another(house: House, start_executor: StartExecutor) -> None:
    many = [house.submit(owner="greedy", lane=Lane.BATCH) for _ in range(10)]
    few = [house.submit(owner="modest", lane=Lane.BATCH) for _ in range(2)]
    start_executor(limits={Lane.BATCH: 1})
    for job in (*many, *few):
        house.ended(job)
    order = _taken(house)
    assert max(order.index(job.id) for job in few) <= 3
    # In their turn, but for neighbours that were in hand together: one of them where the other owner's was just done.
    places = sorted(range(len(many)), key=lambda number: order.index(many[number].id))
    assert all(abs(number - place) <= 1 for place, number in enumerate(places)), places


def test_a_limit_holds_while_jobs_are_slow_to_begin(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ActiveWorkflowById.add

    def slow(*args: Any) -> Any:
        time.sleep(0.2)
        return add(*args)

    monkeypatch.setattr(ActiveWorkflowById, "add", slow)
    jobs = [house.submit(windows=2, hold=[0], lane=Lane.BATCH) for _ in range(4)]
    start_executor(limits={Lane.BATCH: 1})
    for job in jobs:
        house.reached(job, 0)
        states = [house.store.job(other.id).state for other in jobs]
        assert states.count(JobState.PROCESSING) == 1
        house.open(job, 0)
        house.ended(job)
