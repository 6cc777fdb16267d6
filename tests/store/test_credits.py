# SPDX-License-Identifier: Apache-2.0
"""The ledger of credits: what is set aside, given back and paid, on both databases."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from harken.errors import AccountNotFound, HarkenError, NotEnoughCredits
from harken.model import (
    Account,
    AuditEntry,
    CreditKind,
    Job,
    JobState,
    Lane,
    Options,
    Quote,
    Stage,
    StageKind,
    TextResult,
    Transcript,
)
from harken.model.credits import cost, due, heard, in_credits
from harken.model.jobs import own_stage
from harken.ports import Submission
from harken.store import SqlAccounts, SqlAuditLog, SqlCredits, SqlLedger, SqlStages, SqlStore
from harken.store.credits import SETTLED

BY = AuditEntry("admin", "test")
RATES = {"transcribe": 1000, "diarize": 500}
MINUTE = Transcript(segments=(), language="en", duration=60.0, model="base")


class Books(SqlStore, SqlLedger):
    """The store, and what the account has."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
        self.credits = SqlCredits(engine)
        self.stages = SqlStages(engine)

    @property
    def balance(self) -> int | None:
        return self.credits.balance("me")

    def entered(self, quote: int | Quote = 1500, **changes: object) -> Job:
        now = time.time()
        job = Job(
            id=str(uuid.uuid4()),
            owner="me",
            state=JobState.QUEUED,
            lane=Lane.BATCH,
            options=Options(),
            filename="talk.mp3",
            created=now,
            updated=now,
            duration=60.0,
            rates=RATES,
        )
        job = replace(job, **changes)  # type: ignore[arg-type]
        quote = quote if isinstance(quote, Quote) else Quote(quote, quote)
        return self.enter(Submission(job, quote=quote), 1000, lambda *_: None)[0]

    def stage_of(self, job: Job, price: int) -> Stage:
        now = time.time()
        stage = Stage(str(uuid.uuid4()), job.id, StageKind.SUMMARISE, JobState.QUEUED, now, now, price=price)
        return self.enter_stage(stage, 1000, lambda *_: None)

    def amounts(self, job: Job) -> list[tuple[str, int]]:
        return [(entry.kind.value, entry.amount) for entry in self.credits.of_job(job.id)]


@pytest.fixture
def books(engine: sa.Engine) -> Books:
    """With ten credits."""
    SqlAccounts(engine).have(Account("me", "me", 1.0))
    books = Books(engine)
    books.credits.grant("me", 10_000, "welcome", BY)
    return books


def test_a_job_that_completes_is_paid_as_long_as_it_was(books: Books) -> None:
    job = books.entered()
    assert books.balance == 8_500
    own = Stage(own_stage(job.id, StageKind.DIARIZE), job.id, StageKind.DIARIZE, JobState.PROCESSING, 1.0, 1.0)
    books.stages.open(own)
    books.stages.complete(own.id, MINUTE)
    books.complete(job.id, replace(MINUTE, duration=80.0))
    assert books.amounts(job) == [("reserve", -1500), ("release", 1500), ("settle", -2000)]
    assert books.balance == 8_000
    books.complete(job.id, MINUTE)
    books.delete(job.id)
    assert books.balance == 8_000


def test_a_job_that_was_to_cost_nothing_is_paid_as_long_as_it_was(books: Books) -> None:
    job = books.entered(0, duration=0.01)
    books.complete(job.id, MINUTE)
    assert books.balance == 9_000
    free = books.entered(0, rates={})
    books.complete(free.id, MINUTE)
    assert books.balance == 9_000
    assert books.amounts(free) == []


def test_a_stage_that_fails_is_not_paid(books: Books) -> None:
    job = books.entered()
    own = Stage(own_stage(job.id, StageKind.DIARIZE), job.id, StageKind.DIARIZE, JobState.PROCESSING, 1.0, 1.0)
    books.stages.open(own)
    books.stages.fail(own.id, "x", "y")
    books.complete(job.id, MINUTE)
    assert books.balance == 9_000


@pytest.mark.parametrize("end", ["fail", "cancelled", "request_cancel", "delete"])
def test_whoever_gets_nothing_pays_nothing(books: Books, end: str) -> None:
    job = books.entered()
    ends: dict[str, Callable[[], object]] = {
        "fail": lambda: books.fail(job.id, "x", "y"),
        "cancelled": lambda: books.cancelled(job.id),
        "request_cancel": lambda: books.request_cancel(job.id),
        "delete": lambda: books.delete(job.id),
    }
    ends[end]()
    assert books.balance == 10_000
    books.delete(job.id)
    assert books.amounts(job) == [("reserve", -1500), ("release", 1500)]


def test_many_ends_count_once(books: Books) -> None:
    jobs = [books.entered(1000) for _ in range(6)]
    ends: list[Callable[[Job], object]] = [
        lambda job: books.complete(job.id, MINUTE),
        lambda job: books.fail(job.id, "x", "y"),
        lambda job: books.cancelled(job.id),
        lambda job: books.delete(job.id),
    ]

    def end(number: int) -> None:
        try:
            ends[number % 4](jobs[number // 8 % 6])
        except HarkenError:
            return  # it was deleted meanwhile

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(end, range(96)))
    entries = [entry for entry in books.credits.entries("me", 100) if entry.job_id is not None]
    for job in jobs:
        kinds = [entry.kind for entry in entries if entry.job_id == job.id]
        assert sorted(kinds) in (["release", "reserve"], ["release", "reserve", "settle"])
    settled = sum(entry.amount for entry in entries if entry.kind is CreditKind.SETTLE)
    assert books.balance == 10_000 + settled


def test_who_has_not_enough_enters_nothing(books: Books) -> None:
    books.credits.grant("me", -8_600, "correction", BY)
    with pytest.raises(NotEnoughCredits) as caught:
        books.entered()
    assert caught.value.message == "You have 1.4 credits remaining but this transcription requires 1.5 credits."
    assert books.jobs("me", 10).jobs == ()
    assert books.balance == 1_400
    books.entered(1400)
    assert books.balance == 0
    assert books.entered(0, rates={}).state is JobState.QUEUED


def test_what_nobody_knows_the_length_of_has_all_set_aside(books: Books) -> None:
    job = books.entered(Quote(1000, 99_000), duration=None)
    assert books.balance == 0
    with pytest.raises(NotEnoughCredits):
        books.entered(Quote(1, 99_000))
    books.complete(job.id, replace(MINUTE, duration=1200.0))
    assert books.balance == -10_000
    with pytest.raises(NotEnoughCredits, match="You have -10 credits"):
        books.entered(Quote(1, 99_000))


def test_stages_of_their_own(books: Books) -> None:
    job = books.entered(0, rates={})
    books.complete(job.id, MINUTE)
    done = books.stage_of(job, 300)
    assert books.balance == 9_700
    books.stages.complete(done.id, TextResult("text", "x", generated=False))
    assert books.balance == 9_700
    failed = books.stage_of(job, 300)
    books.stages.fail(failed.id, "x", "y")
    cancelled = books.stage_of(job, 300)
    books.stages.request_cancel(cancelled.id)
    assert books.balance == 9_700
    assert books.stages.stage(failed.id).price == 300
    books.stage_of(job, 700)
    dear = replace(done, id=str(uuid.uuid4()), kind=StageKind.FORMAT, state=JobState.QUEUED, price=9_001)
    with pytest.raises(NotEnoughCredits, match=r"this request requires 9\.001 credits"):
        books.enter_stage(dear, 1000, lambda *_: None)
    assert books.balance == 9_000
    books.delete(job.id)
    assert books.balance == 9_700


def test_accounts_without_a_balance_pay_nothing(books: Books, engine: sa.Engine) -> None:
    books.credits.unlimited("me", BY)
    assert books.balance is None
    job = books.entered(99_000)
    books.complete(job.id, MINUTE)
    stranger = books.entered(99_000, owner="you")
    books.complete(stranger.id, MINUTE)
    assert (books.amounts(job), books.amounts(stranger)) == ([], [])
    assert books.credits.grant("me", 1, "", BY) == 10_001
    with pytest.raises(AccountNotFound):
        books.credits.grant("nobody", 1, "", BY)
    with pytest.raises(AccountNotFound):
        books.credits.unlimited("nobody", BY)
    assert books.credits.balance("nobody") is None
    assert len(SqlAuditLog(engine).entries(10)) == 3


def test_sums_of_old_entries_are_noted(books: Books, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harken.store.credits.LONG", 4)
    balances: list[int] = []
    for _ in range(9):
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE harken_credits SET created = created - 50000")
        books.complete(books.entered(100, rates={"transcribe": 100}).id, MINUTE)
        balances.append(books.balance or 0)
    assert balances == [10_000 - 100 * number for number in range(1, 10)]
    with engine.connect() as connection:
        noted = connection.exec_driver_sql("SELECT value FROM harken_facts").scalars().all()
        last = connection.exec_driver_sql("SELECT max(id) FROM harken_credits").scalar_one()
    upto, total = (int(part) for part in noted[0].split(" "))
    assert 0 < upto < last
    entries = books.credits.entries("me", 100)
    assert total == sum(entry.amount for entry in entries if entry.id <= upto)
    assert all(entry.created < time.time() - SETTLED for entry in entries if entry.id <= upto)
    assert balances[-1] == sum(entry.amount for entry in entries)


def test_entries_are_listed_newest_first(books: Books) -> None:
    for number in range(5):
        books.credits.grant("me", number, f"Zoë {number}", BY)
    first = books.credits.entries("me", 3)
    assert [entry.note for entry in first] == ["Zoë 4", "Zoë 3", "Zoë 2"]
    assert [entry.note for entry in books.credits.entries("me", 9, before=first[-1].id)] == [
        "Zoë 1",
        "Zoë 0",
        "welcome",
    ]
    assert books.credits.entries("you", 9) == []


def test_what_things_cost() -> None:
    assert cost({"transcribe": 1000}, 1847.5) == 30_792
    assert cost({}, 60.0) == 0
    assert due({"transcribe": 1000, "diarize": 500}, 120.0, {StageKind.DIARIZE}) == 3000
    assert due({"transcribe": 1000, "diarize": 500}, 120.0, ()) == 2000
    assert [in_credits(amount) for amount in (30_000, 5_500, 1, 0, -2_500, 100_000)] == [
        "30", "5.5", "0.001", "0", "-2.5", "100"
    ]  # fmt: skip
    assert heard(Options(offset=10.0, duration=20.0), 25.0) == 15.0
    assert heard(Options(offset=10.0), 5.0) == 0.0
    assert heard(Options(), 5.0) == 5.0
