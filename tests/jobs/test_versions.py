# SPDX-License-Identifier: Apache-2.0
"""Two versions beside each other: a newer database under old workers, and newer code on old workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dbos import DBOS
from tests.jobs.house import House

from harken.jobs.workflows import Workflows
from harken.model import Job, JobState
from harken.store import preparing, upgrade
from harken.store.database import writing
from harken.store.tables import VERSION_TABLE

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor


def test_a_worker_works_on_while_the_next_version_changes_the_database(house: House) -> None:
    house.worker().wait_ready()
    job = house.submit(windows=6, hold=[3])
    house.reached(job, 3)
    with preparing(house.engine), writing(house.engine) as connection:
        for statement in (
            "ALTER TABLE harken_jobs ADD COLUMN mood TEXT",
            "CREATE TABLE harken_moods (id INTEGER PRIMARY KEY, job_id VARCHAR(36) REFERENCES harken_jobs (id))",
            "CREATE INDEX ix_harken_jobs_mood ON harken_jobs (mood)",
            f"UPDATE {VERSION_TABLE} SET version_num = '9999'",
        ):
            connection.exec_driver_sql(statement)
    later = house.submit(windows=2)
    house.open(job, 3)
    assert [house.ended(one).state for one in (job, later)] == [JobState.COMPLETED] * 2
    assert house.recognised(job) == list(range(6))
    # One that starts now is old code on the newer database from its first moment.
    with preparing(house.engine):
        upgrade(house.engine)
    house.workers[0].leave()
    house.worker().wait_ready()
    assert house.ended(house.submit()).state is JobState.COMPLETED


def test_a_workflow_that_was_under_way_goes_on_in_code_with_another_step(
    house: House, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = house.submit(windows=8, hold=[3])
    executor = start_executor()
    house.reached(old, 3)
    executor.stop(0.0)
    real = Workflows._do
    patched: dict[str, bool] = {}
    stepped: list[str] = []

    def do(workflows: Workflows, job: Job) -> Job:
        patched[job.id] = DBOS.patch("weigh")
        if patched[job.id]:
            DBOS.run_step({"name": "weigh"}, stepped.append, job.id)
        return real(workflows, job)

    monkeypatch.setattr(Workflows, "_do", do)
    new = house.submit(windows=2)
    house.open(old, 3)
    start_executor()
    assert [house.ended(one).state for one in (old, new)] == [JobState.COMPLETED] * 2
    assert patched == {old.id: False, new.id: True}
    assert stepped == [new.id]
    assert house.recognised(old) == list(range(8))
