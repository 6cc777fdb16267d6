# SPDX-License-Identifier: Apache-2.0
"""Workers whose troubles are their own: the jobs that they had in hand are none the worse for them."""

from __future__ import annotations

from tests.jobs.house import House, until

from harken.model import JobState


def test_a_worker_without_room_gives_its_jobs_back(house: House) -> None:
    full = house.folder.root / "full"
    full.touch()
    job = house.submit(windows=6, full=full.name)
    worker = house.worker().wait_ready()
    until(lambda: worker.log.read_text().count(f"job {job.id} is given back") > 1)
    found = house.store.job(job.id)
    assert (found.state, found.attempts <= 1) == (JobState.PROCESSING, True)
    full.unlink()
    assert house.ended(job).state is JobState.COMPLETED
    assert house.recognised(job) == list(range(6))


def test_only_who_has_a_job_can_fail_it(house: House) -> None:
    job = house.submit(windows=2)
    house.store.start(job.id, "first")
    house.store.start(job.id, "second")
    assert house.store.fail(job.id, "worker_error", "its own trouble", "first").state is JobState.PROCESSING
    assert house.store.fail(job.id, "worker_error", "its own trouble", "second").state is JobState.FAILED
