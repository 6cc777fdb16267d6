# SPDX-License-Identifier: Apache-2.0
"""Accounts that ask for more than their share, and the queue; on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.jobs.house import House
from tests.jobs.test_fetching import submit
from tests.jobs.test_service import service

from harken.jobs.engine import DurableJobs
from harken.model import Account, AuditEntry, JobState, Lane, Quote
from harken.ports import Shares
from harken.service import Service
from harken.store import SqlAccounts, SqlCredits, SqlLedger, SqlStore
from harken.store.shares import LONG_EACH

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor

__all__ = ["service"]


def test_who_waits_beyond_the_interactive_places_goes_first_in_the_batch_lane(house: House) -> None:
    jobs = DurableJobs(SqlLedger(house.engine, Shares(short=60.0)), house.engine, max_queued=20)
    house.submit(lane=Lane.BATCH)
    long = [house.submission(lane=Lane.INTERACTIVE) for _ in range(LONG_EACH + 1)]
    entered = [jobs.submit(replace(one, job=replace(one.job, duration=61.0)))[0] for one in long]
    assert [job.lane for job in entered] == [Lane.INTERACTIVE] * LONG_EACH + [Lane.BATCH]
    jobs.close()
    waiting = house.store.jobs("me", 50).jobs
    places = {one.workflow_id: one for one in house.jobs._client.list_workflows()}
    assert {job.id: places[job.id].queue_name for job in waiting} == {
        job.id: f"harken-{job.lane.value}" for job in waiting
    }
    batch = sorted((places[job.id].priority, job.id) for job in waiting if job.lane is Lane.BATCH)
    assert next(job_id for _, job_id in batch) == entered[-1].id, "though it came last"


def test_a_header_that_lies_leaves_no_debt(house: House, start_executor: StartExecutor) -> None:
    SqlAccounts(house.engine).have(Account("me", "me", 1.0))
    books = SqlCredits(house.engine)
    books.grant("me", 1000, "a minute", AuditEntry("admin", "test"))
    asked = house.submission(windows=12)
    lies = replace(asked, job=replace(asked.job, duration=6.0, rates={"transcribe": 1000}), quote=Quote(100, 100))
    job, _ = house.jobs.submit(lies)
    start_executor()
    done = house.ended(job)
    assert (done.state, done.error_code) == (JobState.FAILED, "insufficient_credits")
    assert "longer than its header said" in (done.error_message or "")
    assert books.balance("me") == sum(entry.amount for entry in books.entries("me", 50)) == 1000
    assert len(house.recognised(job)) < 12


def test_a_recording_for_which_its_account_has_no_room(
    house: House, service: Service, start_executor: StartExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = SqlStore.__init__
    monkeypatch.setattr(SqlStore, "__init__", lambda self, engine: init(self, engine, max_kept=4))
    job = submit(service, "large")
    start_executor()
    done = house.ended(job)
    assert (done.state, done.error_code) == (JobState.FAILED, "account_storage_full")
    assert house.blobs.keys() == set()
