# SPDX-License-Identifier: Apache-2.0
"""Workers that are told to stop: what they finish, and what they hand over."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from tests.jobs.house import House, until

import harken.jobs.executor
from harken.model import JobState
from harken.store import connect, preparing
from harken.telemetry.outages import Outages
from harken.wiring import shared

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor


def test_a_drained_worker_ends_its_chapter_and_nothing_is_done_twice(
    house: House, start_executor: StartExecutor
) -> None:
    job = house.submit(windows=9, hold=[3])
    executor = start_executor()
    house.reached(job, 3)
    leaving = threading.Thread(target=executor.stop, args=(3600.0,))
    leaving.start()
    until(lambda: executor._hands.stopping)
    late = house.submit()
    house.open(job, 3)
    leaving.join(60.0)
    assert not leaving.is_alive()
    assert house.recognised(job) == [0, 1, 2, 3, 4], "the chapter was begun, the next one was not"
    assert house.store.job(late.id).state is JobState.QUEUED
    house.worker().wait_ready()
    assert house.ended(job).state is JobState.COMPLETED
    assert house.recognised(job) == list(range(9))
    assert house.ended(late).state is JobState.COMPLETED


def test_a_worker_that_is_told_twice_waits_for_nothing(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=4, hold=[2])
    executor = start_executor()
    house.reached(job, 2)
    leaving = threading.Thread(target=executor.stop, args=(3600.0,))
    leaving.start()
    until(lambda: executor._hands.stopping)
    executor.hurry()
    leaving.join(60.0)
    assert not leaving.is_alive()
    assert house.roster.executors() == []
    house.open(job, 2)
    house.worker().wait_ready()
    assert house.ended(job).state is JobState.COMPLETED
    assert house.recognised(job) == [0, 1, 2, 3], "saved windows are not recognised again"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("busy", [False, True])
def test_a_worker_that_is_told_to_stop_does_not_wait_for_a_database_that_is_away(
    house: House,
    start_executor: StartExecutor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    busy: bool,
) -> None:
    """It may be away for longer than anybody waits for a worker to stop; what it had in hand is taken over."""
    monkeypatch.setattr(harken.jobs.executor, "_LEAVING", 1.0)
    job = house.submit(windows=6, hold=[2])
    executor = start_executor()
    house.reached(job, 2)
    if not busy:
        house.open(job, 2)
        house.ended(job)
    server, _, name = str(house.database).rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        leaving = threading.Thread(target=executor.stop, args=(0.0,))
        leaving.start()
        house.open(job, 2)
        leaving.join(60.0)
        assert not leaving.is_alive()
        assert "others take over" in caplog.text
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    # What still tries to reach it must not find it gone for good.
    until(lambda: not [one.name for one in threading.enumerate() if one.name.startswith(("lane-", "leaving"))])
    # The process of the one that left is there, so that it has to be silent for as long.
    house.worker(dead_after=5.0).wait_ready()
    assert house.ended(job).state is JobState.COMPLETED
    assert sorted(set(house.recognised(job))) == list(range(6))
    brief = Outages()
    told = [record for record in caplog.records if brief.filter(record)]
    assert [record.getMessage() for record in told if "\n" in record.getMessage() or record.exc_info] == []
    assert any(record.name == "dbos" for record in told)
    caplog.clear()


def test_a_start_waits_for_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    away = connect("postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setattr(shared, "_AWAY", 0.0)
    with pytest.raises(sa.exc.OperationalError):
        shared._prepare(away)
    away.dispose()
    there = connect(postgres_url)
    tried = [away, there]
    monkeypatch.setattr(shared, "_AWAY", 60.0)
    monkeypatch.setattr(shared, "_PAUSE", 0.0)
    monkeypatch.setattr(shared, "preparing", lambda _: preparing(tried.pop(0)))
    shared._prepare(there)
    assert tried == []
    assert "the database does not answer, trying again" in caplog.text
    there.dispose()
    away.dispose()
