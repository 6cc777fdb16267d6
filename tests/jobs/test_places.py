# SPDX-License-Identifier: Apache-2.0
"""Whose jobs a worker has in hand: places for those who wait and have none, none for fetches; on both databases."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.fake_runner import FETCH, LIMITS
from tests.jobs.house import House, until
from tests.jobs.test_fetching import submit
from tests.jobs.test_service import service

from harken.jobs import places
from harken.jobs.places import GUESTS
from harken.model import Job, JobState, Lane
from harken.ports import Executor
from harken.service import Service

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor

__all__ = ["service"]

PLACES = 2


def _processing(house: House, jobs: list[Job]) -> int:
    return sum(house.store.job(job.id).state is JobState.PROCESSING for job in jobs)


def _stays(house: House, jobs: list[Job], expected: int) -> None:
    """Over more than a second, in which the queue is looked at whatever rings, no further job is taken."""
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert _processing(house, jobs) == expected
        time.sleep(0.05)


def test_one_file_is_not_kept_out_by_many_of_another_account(house: House, start_executor: StartExecutor) -> None:
    many = [house.submit(lane=Lane.BATCH, owner="many", hold=[0]) for _ in range(8)]
    start_executor(limits={Lane.BATCH: PLACES})
    until(lambda: _processing(house, many) == PLACES)
    one = house.submit(lane=Lane.BATCH, owner="one")
    assert house.ended(one).state is JobState.COMPLETED
    _stays(house, many, PLACES)


def test_a_guest_brings_no_others_and_guests_are_few(house: House, start_executor: StartExecutor) -> None:
    many = [house.submit(lane=Lane.BATCH, owner="many", hold=[0]) for _ in range(4)]
    start_executor(limits={Lane.BATCH: PLACES})
    until(lambda: _processing(house, many) == PLACES)
    guests = [
        house.submit(lane=Lane.BATCH, owner=f"guest-{number}", hold=[0]) for number in range(GUESTS + 2) for _ in "ab"
    ]
    until(lambda: _processing(house, guests) == GUESTS)
    _stays(house, many + guests, PLACES + GUESTS)
    for job in many + guests:
        house.open(job, 0)
    assert {house.ended(job).state for job in many + guests} == {JobState.COMPLETED}


def test_who_has_many_files_shares_every_worker_with_others(house: House, start_executor: StartExecutor) -> None:
    few = [house.submit(lane=Lane.BATCH, owner="few", hold=[0])]
    house.worker().wait_ready()
    until(lambda: _processing(house, few) == 1)
    many = [house.submit(lane=Lane.BATCH, owner="many", hold=[0]) for _ in range(16)]
    start_executor(limits={Lane.BATCH: PLACES})
    theirs = LIMITS[Lane.BATCH] - 1
    until(lambda: _processing(house, many) == theirs + PLACES)
    few += [house.submit(lane=Lane.BATCH, owner="few", hold=[0]) for _ in "ab"]
    until(lambda: _processing(house, few) == 2)
    _stays(house, many + few, theirs + PLACES + 2)
    for job in many + few:
        house.open(job, 0)
    assert {house.ended(job).state for job in many + few} == {JobState.COMPLETED}


def test_who_has_enough_to_do_leaves_the_rest_to_others_for_a_moment(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "LEFT", 3600.0)
    house.roster.beat(Executor("beside", "elsewhere", 1, 1))
    start_executor(limits={Lane.BATCH: 4, Lane.INTERACTIVE: 4}, enough=2, dead_after=600.0)
    lanes = {lane: [house.submit(lane=lane, hold=[0]) for _ in range(5)] for lane in (Lane.BATCH, Lane.INTERACTIVE)}
    until(lambda: [_processing(house, jobs) for jobs in lanes.values()] == [2, 2])
    everything = [job for jobs in lanes.values() for job in jobs]
    _stays(house, everything, 4)
    monkeypatch.setattr(places, "LEFT", 0.0)
    until(lambda: [_processing(house, jobs) for jobs in lanes.values()] == [4, 4])
    for job in everything:
        house.open(job, 0)
        assert house.ended(job).state is JobState.COMPLETED


def test_who_is_alone_in_a_lane_leaves_nothing(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "LEFT", 3600.0)
    house.roster.beat(Executor("beside", "elsewhere", 1, 1, lanes=(Lane.INTERACTIVE,)))
    jobs = [house.submit(lane=Lane.BATCH, hold=[0]) for _ in range(PLACES + 1)]
    start_executor(limits={Lane.BATCH: PLACES}, enough=1, dead_after=600.0)
    until(lambda: _processing(house, jobs) == PLACES)
    for job in jobs:
        house.open(job, 0)
        assert house.ended(job).state is JobState.COMPLETED


def test_fetching_takes_no_place(house: House, service: Service, start_executor: StartExecutor) -> None:
    slow = [submit(service, f"slow-{number}", hold="1") for number in range(PLACES + 1)]
    start_executor(limits={Lane.BATCH: PLACES})
    for number in range(len(slow)):
        until(house.folder.reached(f"slow-{number}", FETCH).exists)
    # One owner's, who has these in hand already: it is no guest.
    here = house.submit(lane=Lane.BATCH, owner=slow[0].owner)
    assert house.ended(here).state is JobState.COMPLETED
    assert _processing(house, slow) == len(slow)
    for number in range(len(slow)):
        house.folder.gate(f"slow-{number}", FETCH).touch()
    assert {house.ended(job).state for job in slow} == {JobState.COMPLETED}
