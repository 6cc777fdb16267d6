# SPDX-License-Identifier: Apache-2.0
"""What becomes of a job in a worker's hands, on both databases."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from dbos import DBOSClient, WorkflowStatusString
from dbos._sys_db import SystemDatabase
from tests.fake_runner import result
from tests.jobs.house import PATIENCE, House, until

import harken.jobs.executor
from harken.errors import JobEnded, JobNotFound
from harken.jobs.names import SERIALIZER
from harken.jobs.stages import MAX_ATTEMPTS
from harken.model import JobState, Lane

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor


def test_a_job_is_done(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=6)
    start_executor()
    ended = house.ended(job)
    assert ended.state is JobState.COMPLETED
    assert ended.progress == 1.0
    assert ended.duration == 60.0
    assert ended.started is not None
    assert ended.ended is not None
    assert ended.started <= ended.ended
    assert house.texts(job) == [f" w{index}" for index in range(6)]
    assert house.recognised(job) == list(range(6))
    assert house.store.windows(job.id) == [(index, result(index)) for index in range(6)]


def test_progress_and_windows_can_be_read_while_it_runs(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=6, hold=[3])
    start_executor()
    house.reached(job, 3)
    seen = house.store.job(job.id)
    assert (seen.state, seen.position, seen.duration, seen.progress) == (JobState.PROCESSING, 30.0, 60.0, 0.5)
    assert house.store.windows(job.id, after=1) == [(2, result(2))]
    assert house.store.transcript(job.id) is None
    house.open(job, 3)
    assert house.ended(job).state is JobState.COMPLETED


@pytest.mark.parametrize(
    ("error", "code"),
    [("corrupt_media", "corrupt_media"), ("recogniser_crashed", "recogniser_crashed"), ("bug", "internal_error")],
)
def test_an_error_ends_the_job_with_its_code(
    house: House, start_executor: StartExecutor, caplog: pytest.LogCaptureFixture, error: str, code: str
) -> None:
    job = house.submit(windows=3, error=error)
    start_executor()
    ended = house.ended(job)
    assert (ended.state, ended.error_code) == (JobState.FAILED, code)
    assert ended.error_message
    assert house.store.windows(job.id) == [(0, result(0)), (1, result(1))]
    if error == "bug":
        assert "ZeroDivisionError" in caplog.text
        caplog.clear()


def test_a_lost_recording_is_an_error_of_the_job(house: House, start_executor: StartExecutor) -> None:
    job = house.submit()
    house.blobs.delete(job.id)
    start_executor()
    assert house.ended(job).error_code == "recording_lost"


def test_a_worker_that_cannot_now_is_asked_again(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=2, flaky=2)
    start_executor()
    assert house.ended(job).state is JobState.COMPLETED
    assert house.recognised(job) == [0, 1]


def test_cancel_of_a_queued_job_is_at_once(house: House, start_executor: StartExecutor) -> None:
    job = house.submit()
    seen = house.store.request_cancel(job.id)
    assert seen.state is JobState.CANCELLED
    house.jobs.cancel(job.id)
    with pytest.raises(JobEnded):
        house.store.request_cancel(job.id)
    other = house.submit()
    start_executor()
    house.ended(other)
    assert house.recognised(job) == []


def test_cancel_of_a_running_job_is_within_a_window(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=6, hold=[2])
    start_executor()
    house.reached(job, 2)
    assert house.store.request_cancel(job.id).state is JobState.PROCESSING
    ended = house.ended(job)
    assert (ended.state, ended.error_code) == (JobState.CANCELLED, None)
    assert house.recognised(job) == [0, 1]


def test_deleting_a_running_job_stops_it(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=6, hold=[2])
    executor = start_executor()
    house.reached(job, 2)
    house.store.delete(job.id)
    until(lambda: not executor.running())
    with pytest.raises(JobNotFound):
        house.store.job(job.id)
    assert house.recognised(job) == [0, 1]


def test_a_deadline_ends_a_running_job(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=6, hold=[1], deadline=1.0)
    executor = start_executor()
    ended = house.ended(job)
    assert (ended.state, ended.error_code) == (JobState.FAILED, "deadline_exceeded")
    until(lambda: not executor.running())


def test_a_deadline_ends_a_queued_job(house: House, start_executor: StartExecutor) -> None:
    blocker = house.submit(windows=2, hold=[0], lane=Lane.BATCH)
    job = house.submit(lane=Lane.BATCH, deadline=1.0)
    start_executor(limits={Lane.BATCH: 1}, every=0.5)
    assert house.ended(job).error_code == "deadline_exceeded"
    house.open(blocker, 0)
    assert house.ended(blocker).state is JobState.COMPLETED
    assert house.recognised(job) == []


def test_a_job_that_kills_worker_after_worker_fails_alone(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=2)
    for _ in range(MAX_ATTEMPTS):
        house.store.start(job.id, "worker")
    start_executor()
    ended = house.ended(job)
    assert (ended.state, ended.error_code) == (JobState.FAILED, "recogniser_crashed")


def test_a_job_that_gets_on_may_be_taken_up_any_number_of_times(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=2)
    for _ in range(MAX_ATTEMPTS):
        house.store.start(job.id, "worker")
    house.store.save_windows(job.id, [], position=0.0, duration=None)
    start_executor()
    assert house.ended(job).state is JobState.COMPLETED


def test_times_are_told_in_the_transcript(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(windows=2, each=0.05)
    time.sleep(0.1)
    start_executor()
    house.ended(job)
    transcript = house.store.transcript(job.id)
    assert transcript is not None
    assert transcript.timing.queued >= 0.1
    assert transcript.timing.processing >= 0.1
    assert transcript.model == "base"


def test_what_ended_is_not_put_back_by_a_worker_that_leaves(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SystemDatabase.update_workflow_outcome
    leaving = threading.Event()

    def slow(*args: Any, **how: Any) -> bool:
        leaving.wait(PATIENCE)
        time.sleep(0.3)
        return record(*args, **how)

    monkeypatch.setattr(SystemDatabase, "update_workflow_outcome", slow)
    for seconds in ("_SETTLING", "_LEAVING"):
        monkeypatch.setattr(harken.jobs.executor, seconds, PATIENCE)
    job = house.submit()
    executor = start_executor()
    house.ended(job)
    leaving.set()
    executor.stop(5.0)
    client = DBOSClient(system_database_engine=house.engine, serializer=SERIALIZER)
    (workflow,) = client.list_workflows()
    client.destroy()
    assert workflow.status == WorkflowStatusString.SUCCESS.value


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_job_waits_for_a_database_that_went_away(
    house: House, start_executor: StartExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    job = house.submit(windows=6, hold=[2])
    start_executor()
    house.reached(job, 2)
    with house.engine.connect() as connection:
        ended = connection.exec_driver_sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).scalar()
    assert ended
    house.open(job, 2)
    assert house.ended(job).state is JobState.COMPLETED
    later = house.submit(windows=2)
    assert house.ended(later).state is JobState.COMPLETED
    assert house.recognised(job) == list(range(6))
    caplog.clear()
