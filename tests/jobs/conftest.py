# SPDX-License-Identifier: Apache-2.0
"""A database of either kind with the queue's tables, what the API has of it, and a worker in this process."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from tests.fake_runner import Folder, build
from tests.jobs.house import House, until
from tests.postgres import fresh_database

import harken.jobs.engine
from harken.jobs.engine import DurableJobs
from harken.jobs.executor import WorkerExecutor
from harken.store import FolderBlobs, SqlLedger, SqlRoster, SqlStages, SqlStore, SqlVoices, connect, preparing, upgrade


class StartExecutor(Protocol):
    """Starts a worker in this process, one at a time."""

    def __call__(self, **how: Any) -> WorkerExecutor: ...


def _prepare(database: Path | str) -> None:
    engine = connect(database)
    with preparing(engine):
        harken.jobs.engine.prepare(engine)
        upgrade(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def prepared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prepared") / "harken.sqlite"
    _prepare(path)
    return path


@pytest.fixture(scope="session")
def prepared_database(postgres_server: str) -> str:
    """Name of a database; the queue's migrations take longer than most tests."""
    name = "prepared_for_jobs"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    _prepare(f"{postgres_server}/{name}")
    return name


@pytest.fixture
def postgres_url(postgres_server: str, prepared_database: str) -> Iterator[str]:
    """Address of a database with all tables."""
    with fresh_database(postgres_server, template=prepared_database) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A database of either kind with all tables."""
    if request.param == "sqlite":
        return Path(shutil.copy(request.getfixturevalue("prepared_file"), tmp_path / "harken.sqlite"))
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def house(database: Path | str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[House]:
    engine = connect(database)
    store = SqlStore(engine)
    house = House(
        database=database,
        engine=engine,
        folder=Folder(tmp_path),
        store=store,
        stages=SqlStages(engine),
        voices=SqlVoices(engine),
        roster=SqlRoster(engine),
        blobs=FolderBlobs(tmp_path / "audio"),
        jobs=DurableJobs(SqlLedger(engine), engine, max_queued=20),
    )
    yield house
    for worker in house.workers:
        worker.close()
    house.jobs.close()
    engine.dispose()
    # What runs in threads can only complain. A test that expects complaints clears them.
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelname == "ERROR"] == []


@pytest.fixture
def start_executor(house: House) -> Iterator[StartExecutor]:
    started: list[WorkerExecutor] = []
    engine = connect(house.database)

    def start(**how: Any) -> WorkerExecutor:
        # The queue is one a process: what an earlier worker here still does to leave would take it from the next.
        until(lambda: not [thread.name for thread in threading.enumerate() if thread.name == "leaving"])
        executor = build(engine, house.folder, **how)
        started.append(executor)
        executor.start()
        return executor

    yield start
    for executor in started:
        executor.stop(0.0)
    # One that waits for what never comes would keep the process from ending.
    late = ("dbos-executor", "leaving", "lane-")
    until(lambda: not [thread.name for thread in threading.enumerate() if thread.name.startswith(late)])
    engine.dispose()
