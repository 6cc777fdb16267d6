# SPDX-License-Identifier: Apache-2.0
"""Workers that serve some lanes or some models only, beside others, on both databases."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from dbos import DBOS
from tests.jobs.house import House, until

from harken.jobs.names import ANYBODY, queue_name
from harken.jobs.queues import put_under, without_partition
from harken.jobs.recovery import running_workflows, send_back
from harken.model import Job, JobState, Lane, Stage, StageKind
from harken.store.database import is_sqlite

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor


def _row(house: House, workflow_id: str) -> tuple[str, str | None, str]:
    """Queue, partition and state of a workflow."""
    schema = "" if is_sqlite(house.engine) else "dbos."
    query = f"SELECT queue_name, queue_partition_key, status FROM {schema}workflow_status WHERE workflow_uuid = :id"
    with house.engine.connect() as connection:
        return tuple(connection.execute(sa.text(query), {"id": workflow_id}).one())


def _as_before(house: House, job: Job) -> None:
    """Make a job as versions before there were partitions entered it."""
    schema = "" if is_sqlite(house.engine) else "dbos."
    with house.engine.begin() as connection:
        for statement in (
            f"UPDATE {schema}workflow_status SET queue_partition_key = NULL WHERE workflow_uuid = :id",
            "UPDATE harken_jobs SET model = NULL WHERE id = :id",
        ):
            connection.execute(sa.text(statement), {"id": job.id})


def _diarization(job: Job) -> Stage:
    return Stage(
        id=str(uuid.uuid4()),
        job_id=job.id,
        kind=StageKind.DIARIZE,
        state=JobState.QUEUED,
        created=job.created,
        updated=job.created,
        options={"num_speakers": 2},
    )


def test_a_worker_takes_recordings_of_its_models_and_what_needs_none(
    house: House, start_executor: StartExecutor
) -> None:
    other = house.submit(model="base")
    own = [house.submit(model=model) for model in ("tiny", "small")]
    choosy = start_executor(models={"tiny", "small"})
    assert [house.ended(job).state for job in own] == [JobState.COMPLETED] * 2
    stage = house.jobs.submit_stage(_diarization(own[0]))
    until(lambda: house.stages.stage(stage.id).state is JobState.COMPLETED)
    assert house.store.job(other.id).state is JobState.QUEUED
    assert _row(house, other.id) == (queue_name(Lane.INTERACTIVE), "base", "ENQUEUED")
    assert [(one.lanes, one.models) for one in house.roster.executors()] == [(None, ("small", "tiny"))]
    # One for any model, old or new, takes what is left.
    choosy.stop(1.0)
    house.worker().wait_ready()
    assert house.ended(other).state is JobState.COMPLETED


def test_a_worker_takes_from_its_lanes_alone(house: House, start_executor: StartExecutor) -> None:
    short, long = house.submit(), house.submit(lane=Lane.BATCH)
    start_executor(limits={Lane.BATCH: 1, Lane.TEXT: 1})
    assert house.ended(long).state is JobState.COMPLETED
    assert house.store.job(short.id).state is JobState.QUEUED
    assert [one.lanes for one in house.roster.executors()] == [(Lane.BATCH, Lane.TEXT)]


def test_one_limit_and_one_order_of_callers_hold_for_a_model(house: House, start_executor: StartExecutor) -> None:
    greedy = [house.submit(lane=Lane.BATCH, model="tiny", hold=[0]) for _ in range(4)]
    modest = house.submit(lane=Lane.BATCH, model="tiny", owner="another")
    elsewhere = house.submit(lane=Lane.BATCH, model="base", owner="third")
    executor = start_executor(models={"tiny"}, limits={Lane.BATCH: 2})
    until(lambda: len(executor.running()) == 2)
    house.reached(greedy[0], 0)
    # The second place went to who had nothing in hand, not to the second of four.
    assert house.ended(modest).state is JobState.COMPLETED
    house.reached(greedy[1], 0)
    assert executor.running() == {greedy[0].id, greedy[1].id}
    assert house.store.job(elsewhere.id).state is JobState.QUEUED
    for job in greedy:
        house.open(job, 0)
    assert [house.ended(job).state for job in greedy] == [JobState.COMPLETED] * 4


def test_one_limit_holds_for_all_models_of_a_worker(house: House, start_executor: StartExecutor) -> None:
    jobs = [house.submit(lane=Lane.BATCH, model=model, hold=[0]) for model in ("tiny", "small") for _ in range(3)]
    executor = start_executor(models={"tiny", "small"}, limits={Lane.BATCH: 2})
    for left in range(len(jobs), 0, -1):
        expected = min(2, left)
        until(lambda: len(executor.running()) == expected)  # noqa: B023 - it is called here only
        (held, *_) = executor.running()
        (job,) = [one for one in jobs if one.id == held]
        house.open(job, 0)
        house.ended(job)
        assert len(executor.running()) <= 2


def test_what_an_older_server_entered_is_done_by_who_serves_its_model(
    house: House, start_executor: StartExecutor
) -> None:
    own, other = house.submit(model="tiny"), house.submit(model="base")
    for job in (own, other):
        _as_before(house, job)
    start_executor(models={"tiny"}, every=0.05)
    assert house.ended(own).state is JobState.COMPLETED
    until(lambda: _row(house, other.id)[1] == "base")
    assert _row(house, other.id) == (queue_name(Lane.INTERACTIVE), "base", "ENQUEUED")
    assert without_partition() == {}


def test_what_an_older_server_entered_is_done_by_a_worker_for_any_model(
    house: House, start_executor: StartExecutor
) -> None:
    job = house.submit(model="tiny")
    _as_before(house, job)
    start_executor()
    assert house.ended(job).state is JobState.COMPLETED


def test_a_partition_once_given_stays(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(model="tiny")
    start_executor(models=set())
    put_under(job.id, ANYBODY)
    assert _row(house, job.id)[1] == "tiny"


def test_what_did_not_begin_goes_back_to_its_own_queue_and_model(house: House, start_executor: StartExecutor) -> None:
    job = house.submit(model="tiny", lane=Lane.BATCH, hold=[0])
    executor = start_executor(models={"tiny"}, limits={Lane.BATCH: 1})
    house.reached(job, 0)
    assert running_workflows() == {job.id: executor.id}
    send_back(job.id)
    assert _row(house, job.id)[:2] == (queue_name(Lane.BATCH), "tiny")
    house.open(job, 0)
    assert house.ended(job).state is JobState.COMPLETED


@pytest.mark.parametrize("models", [None, {"tiny"}])
def test_what_runs_keeps_queue_and_model_when_its_worker_leaves(
    house: House, start_executor: StartExecutor, models: set[str] | None
) -> None:
    job = house.submit(model="tiny", lane=Lane.BATCH, windows=8, hold=[3])
    executor = start_executor(models=models)
    house.reached(job, 3)
    executor.stop(0.0)
    assert _row(house, job.id) == (queue_name(Lane.BATCH), "tiny", "ENQUEUED")
    assert house.roster.executors() == []
    with pytest.raises(Exception, match="No DBOS was created yet"):
        DBOS.list_workflows()
