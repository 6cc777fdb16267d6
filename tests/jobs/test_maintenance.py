# SPDX-License-Identifier: Apache-2.0
"""What is tidied up, and that one worker does it."""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from dbos import DBOSClient
from tests.jobs.house import House, until

import harken.jobs.maintenance
from harken.errors import JobNotFound
from harken.jobs.names import SERIALIZER
from harken.model import JobState

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor


def _workflows(house: House) -> int:
    client = DBOSClient(system_database_engine=house.engine, serializer=SERIALIZER)
    count = len(client.list_workflows())
    client.destroy()
    return count


def test_recordings_go_and_results_stay(house: House, start_executor: StartExecutor) -> None:
    done = house.submit()
    running = house.submit(windows=2, hold=[1])
    start_executor(keep_audio=0.0, every=0.05)
    house.ended(done)
    until(lambda: house.store.job(done.id).audio is None)
    house.reached(running, 1)
    assert house.blobs.keys() == {running.id}
    assert house.texts(done) == [" w0"]
    house.open(running, 1)
    assert house.ended(running).state is JobState.COMPLETED


def test_results_go_with_their_recordings(house: House, start_executor: StartExecutor) -> None:
    job = house.submit()
    start_executor(keep_results=0.0, every=0.05)

    def gone() -> bool:
        try:
            house.store.job(job.id)
        except JobNotFound:
            return True
        return False

    until(gone)
    until(lambda: house.blobs.keys() == set())
    assert house.store.windows(job.id) == []
    assert house.store.transcript(job.id) is None


def test_the_history_of_the_queue_goes(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harken.jobs.maintenance, "HISTORY", 0.0)
    job = house.submit()
    running = house.submit(windows=2, hold=[1])
    cancelled = house.submit()
    house.store.request_cancel(cancelled.id)
    house.jobs.cancel(cancelled.id)
    start_executor(every=0.05)
    house.ended(job)
    house.reached(running, 1)
    until(lambda: _workflows(house) == 1)
    house.open(running, 1)
    assert house.ended(running).state is JobState.COMPLETED
    assert house.store.job(job.id).state is JobState.COMPLETED


def test_recordings_without_a_job_go_once_they_are_old(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = house.submit(windows=2, hold=[1])
    old, new = str(uuid.uuid4()), str(uuid.uuid4())
    for key in (old, new):
        (house.folder.root / "audio" / key).write_bytes(b"sound")
    long_ago = time.time() - house.blobs.orphaned - 60
    for key in (old, job.id):
        os.utime(house.folder.root / "audio" / key, (long_ago, long_ago))
    start_executor(every=0.05)
    until(lambda: house.blobs.keys() == {new, job.id})
    house.open(job, 1)
    assert house.ended(job).state is JobState.COMPLETED
