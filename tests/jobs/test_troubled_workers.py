# SPDX-License-Identifier: Apache-2.0
"""Workers whose troubles are their own: the jobs that they had in hand are none the worse for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.jobs.house import House, until

from harken.jobs import hands
from harken.model import JobState, Lane

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor


@pytest.fixture
def full(house: House) -> Path:
    """What is there as long as the disk is full for who is told its name."""
    path = house.folder.root / "full"
    path.touch()
    return path


def test_a_worker_without_room_gives_its_jobs_back(
    house: House,
    full: Path,
    start_executor: StartExecutor,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hands, "REST", 0.1)
    job = house.submit(windows=6, full=full.name)
    start_executor()
    until(lambda: caplog.text.count(f"job {job.id} is given back") > 1)
    found = house.store.job(job.id)
    assert (found.state, found.attempts <= 1) == (JobState.PROCESSING, True)
    full.unlink()
    assert house.ended(job).state is JobState.COMPLETED
    assert house.recognised(job) == list(range(6))


def test_a_worker_without_room_leaves_recordings_to_others(
    house: House,
    full: Path,
    start_executor: StartExecutor,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hands, "REST", 3600.0)
    start_executor()
    job = house.submit(full=full.name)
    until(lambda: f"job {job.id} is given back" in caplog.text)
    other = house.submit(lane=Lane.BATCH)
    full.unlink()
    worker = house.worker().wait_ready()
    for one in (job, other):
        assert (house.ended(one).state, house.store.job(one.id).worker) == (JobState.COMPLETED, worker.executor_id)


def test_only_who_has_a_job_can_fail_it(house: House) -> None:
    job = house.submit(windows=2)
    house.store.start(job.id, "first")
    house.store.start(job.id, "second")
    assert house.store.fail(job.id, "worker_error", "its own trouble", "first").state is JobState.PROCESSING
    assert house.store.fail(job.id, "worker_error", "its own trouble", "second").state is JobState.FAILED
