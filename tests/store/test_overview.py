# SPDX-License-Identifier: Apache-2.0
"""What administrators see of every account, on both databases."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
import sqlalchemy as sa

from harken.errors import InvalidOption, JobNotFound
from harken.model import Account, AuditEntry, Job, JobState, Lane, Options, Quote, Stage, StageKind, Transcript
from harken.ports import Queue, Submission, Used
from harken.store import SqlAccounts, SqlCredits, SqlLedger, SqlOverview, SqlStore

DAY = 24 * 3600.0


class House:
    """A database at a time of our choice."""

    def __init__(self, engine: sa.Engine) -> None:
        self.now = 100 * DAY + 1
        self.store = SqlStore(engine, clock=lambda: self.now)
        self.ledger = SqlLedger(engine, clock=lambda: self.now)
        self.overview = SqlOverview(engine)

    def enter(self, owner: str, lane: Lane = Lane.BATCH, options: Options | None = None) -> Job:
        job = Job(
            str(uuid.uuid4()), owner, JobState.QUEUED, lane, options or Options(), "x", self.now, self.now,
            duration=90.0, rates={"transcribe": 1000},
        )  # fmt: skip
        self.now += 1
        return self.ledger.enter(Submission(job, quote=Quote(1500, 1500)), 100, lambda *_: None)[0]


@pytest.fixture
def house(engine: sa.Engine) -> House:
    return House(engine)


def test_jobs_of_everyone_page_by_page(house: House) -> None:
    jobs = [house.enter(owner) for owner in ("me", "you", "me", "you", "me")]
    house.store.fail(jobs[1].id, "x", "y")
    house.store.start(jobs[4].id, "w")

    def ids(**query: object) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = house.overview.jobs(2, cursor, **query)  # type: ignore[arg-type]
            found += [job.id for job in page.jobs]
            cursor = page.next
            if cursor is None:
                return found

    newest = [job.id for job in reversed(jobs)]
    assert ids() == newest
    assert ids(account="me") == newest[::2]
    assert ids(state=JobState.FAILED) == [jobs[1].id]
    assert ids(state=JobState.QUEUED, account="you") == [jobs[3].id]
    assert ids(account="nobody") == []
    assert house.overview.job(jobs[0].id).owner == "me"
    with pytest.raises(JobNotFound):
        house.overview.job(str(uuid.uuid4()))
    with pytest.raises(InvalidOption):
        house.overview.jobs(2, "nonsense")


def test_queues_tell_what_waits_and_since_when(house: House) -> None:
    nothing = [Queue(lane, 0, 0, None) for lane in Lane]
    assert house.overview.queues() == nothing
    first = house.enter("me", Lane.INTERACTIVE)
    second = house.enter("you", Lane.INTERACTIVE)
    house.store.start(house.enter("me").id, "w")
    done = house.enter("me")
    house.store.complete(done.id, Transcript((), "en", 90.0, "base"))
    stage = Stage(str(uuid.uuid4()), done.id, StageKind.CHAT, JobState.QUEUED, 7.0, 7.0, lane=Lane.TEXT)
    house.ledger.enter_stage(stage, 100, lambda *_: None)
    # One without a lane waits in its job's.
    again = replace(stage, id=str(uuid.uuid4()), kind=StageKind.SUMMARISE, lane=None, created=8.0)
    house.ledger.enter_stage(again, 100, lambda *_: None)
    assert house.overview.queues() == [
        Queue(Lane.INTERACTIVE, 2, 0, first.created),
        Queue(Lane.BATCH, 1, 1, 8.0),
        Queue(Lane.TEXT, 1, 0, 7.0),
    ]
    house.store.start(first.id, "w")
    assert house.overview.queues()[0] == Queue(Lane.INTERACTIVE, 1, 1, second.created)


def test_usage_is_counted_once_and_outlives_the_jobs(engine: sa.Engine, house: House) -> None:
    SqlAccounts(engine).have(Account("me", "x", 1.0))
    SqlCredits(engine, clock=lambda: house.now).grant("me", 10_000, "", AuditEntry("t", "t"))
    heard = Transcript((), "en", 60.0, "base")
    old = house.enter("me")
    house.store.complete(old.id, heard)
    house.now += DAY
    jobs = [house.enter("me", options=Options(offset=30.0)), house.enter("me"), house.enter("me"), house.enter("you")]
    house.store.complete(jobs[0].id, heard)
    house.store.complete(jobs[0].id, heard)
    house.store.fail(jobs[1].id, "x", "y")
    house.store.cancelled(jobs[1].id)
    house.store.request_cancel(jobs[2].id)
    house.store.complete(jobs[3].id, heard)
    house.enter("me")
    for job in (old, *jobs):
        house.store.delete(job.id)
    today = [Used("me", 101, 1, 1, 1, 30.0, 500), Used("you", 101, 1, 0, 0, 60.0, 0)]
    assert house.overview.used(101) == today
    assert house.overview.used(100) == [*today, Used("me", 100, 1, 0, 0, 60.0, 1000)]
    assert house.overview.used(102) == []
