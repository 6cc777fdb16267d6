# SPDX-License-Identifier: Apache-2.0
"""Recordings that are longer than their headers say leave no debt, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.store.test_credits import MINUTE, Books, books

from harken.errors import NotEnoughCredits
from harken.model import CreditKind, Job, JobState, Options, Quote

__all__ = ["books"]
RATES = {"transcribe": 1000}
HOUR = 3600.0


def heard(books: Books, job: Job, position: float, duration: float | None = None) -> None:
    books.save_windows(job.id, [], position=position, duration=duration)


def liar(books: Books, owner: str = "me", **changes: object) -> Job:
    """A job whose header says ten seconds."""
    return books.entered(167, owner=owner, duration=10.0, rates=RATES, **changes)


def test_what_goes_on_is_set_aside_as_it_goes_on(books: Books) -> None:
    job = liar(books)
    heard(books, job, 10.0)
    assert books.balance == 9_833
    heard(books, job, 30.0)
    assert books.balance == 0, "as many minutes ahead as there are credits"
    heard(books, job, 600.0)
    with pytest.raises(NotEnoughCredits, match=r"0 credits remaining .* requires 0\.5 credits"):
        heard(books, job, 630.0)
    assert books.job(job.id).position == 600.0, "nothing was saved"
    books.fail(job.id, NotEnoughCredits.code, "so much")
    assert books.balance == 10_000
    assert sum(amount for _, amount in books.amounts(job)) == 0


def test_what_is_set_aside_on_the_way_is_settled_at_the_end(books: Books) -> None:
    job = liar(books)
    for position in (30.0, 65.0, 90.0):
        heard(books, job, position)
    books.complete(job.id, replace(MINUTE, duration=90.0))
    assert books.balance == 8_500
    assert [amount for kind, amount in books.amounts(job) if kind == "settle"] == [-1500]
    books.delete(job.id)
    assert books.balance == 8_500
    gone = liar(books)
    heard(books, gone, 30.0)
    books.delete(gone.id)
    assert books.balance == 8_500


def test_a_length_that_becomes_known_is_held_to_at_once(books: Books) -> None:
    job = books.entered(Quote(1000, 720_000), duration=None, rates=RATES)
    assert books.balance == 0
    with pytest.raises(NotEnoughCredits):
        heard(books, job, 1.0, duration=HOUR)
    books.cancelled(job.id)
    start = books.entered(Quote(0, 500), duration=None, rates=RATES, options=Options(duration=30.0))
    heard(books, start, 1.0, duration=HOUR)
    assert books.balance == 9_500, "no more of it is heard"


def test_several_at_once_leave_no_debt(books: Books) -> None:
    jobs = [liar(books) for _ in range(8)]

    def work_off(job: Job) -> None:
        try:
            for minute in range(1, 11):
                heard(books, job, minute * 60.0)
            books.complete(job.id, replace(MINUTE, duration=600.0))
        except NotEnoughCredits as error:
            books.fail(job.id, error.code, error.message)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work_off, jobs))
    entries = books.credits.entries("me", 500)
    assert books.balance == sum(entry.amount for entry in entries)
    assert 0 <= books.balance <= 10_000
    settled = [entry for entry in entries if entry.kind is CreditKind.SETTLE]
    completed = [job for job in jobs if books.job(job.id).state is JobState.COMPLETED]
    assert len(settled) == len(completed) <= 1


def test_who_pays_nothing_is_not_stopped(books: Books) -> None:
    for job in (liar(books, "you"), books.entered(0, rates={})):
        heard(books, job, 12 * HOUR)
        assert books.amounts(job) == []
