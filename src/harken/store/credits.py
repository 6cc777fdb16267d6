# SPDX-License-Identifier: Apache-2.0
"""The ledger of credits in SQLite or PostgreSQL: entries that are added and never changed, and their sum.

What is set aside and paid is written by those who enter and end work, in their own transactions; one piece of work has
one entry of each kind, so that whoever ends it twice, or a job that is deleted while it ends, counts once. The sum of
old entries is noted, to be spared their reading; what is noted can be made from the entries at any time.
"""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa

from harken.errors import AccountNotFound, NotEnoughCredits
from harken.model import AuditEntry, CreditEntry, CreditKind, Job, JobState, Quote, StageKind
from harken.model.credits import cost, due, heard, in_credits
from harken.store import audit as log
from harken.store.account_tables import accounts, credit_entries, facts
from harken.store.base import Sql
from harken.store.database import writing
from harken.store.shares import alone
from harken.store.tables import stages

LONG = 5000
"""Entries from which on it takes too long to sum them all every time."""
SETTLED = 24 * 3600.0
"""Seconds that no transaction lasts."""
AHEAD = 600.0
"""Seconds of audio that are set aside at a time for a recording that goes on beyond what was thought."""
LONGER = "longer than was set aside for"
"""The note of what is set aside for it."""
_SUM = "credits of"
"""What the sums of older entries are noted under, with the account's id."""


def reserve(connection: sa.Connection, account: str, job_id: str, work: str, quote: Quote, now: float) -> None:
    """Set aside what work can cost, of an account that pays. Raises NotEnoughCredits.

    Nothing is set aside too: a recording that its header says is nothing can turn out to be long, and is paid then.

    Two must not do so at once: the caller holds the lock of those who enter work.
    """
    if not connection.execute(sa.select(accounts.c.metered).where(accounts.c.id == account)).scalar():
        return
    balance, length = _balance(connection, account)
    if length > LONG:
        _note_sum(connection, account, now)
    if balance < quote.least:
        what = "transcription" if work == job_id else "request"
        raise NotEnoughCredits(
            f"You have {in_credits(balance)} credits remaining but this {what} requires {in_credits(quote.least)} "
            "credits."
        )
    _enter(connection, account, CreditKind.RESERVE, -min(quote.most, balance), now, job_id=job_id, work=work)


def extend(connection: sa.Connection, job: Job, now: float) -> None:
    """Set aside more for a running job whose recording is longer than was thought: its header can say anything.

    Without it a job could leave any debt. Raises NotEnoughCredits when the account has no more to set aside.
    """
    if not job.rates:
        return
    kept = _set_aside(connection, job.id)
    missing = cost(job.rates, heard(job.options, max(job.position, job.duration or 0.0))) + sum(kept.values())
    if not kept or missing <= 0:
        return
    alone(connection)
    balance, _ = _balance(connection, job.owner)
    if balance < missing:
        raise NotEnoughCredits(
            f"The recording is longer than its header said, or nobody could say before: you have {in_credits(balance)} "
            f"credits remaining beside what was set aside, but to go on requires {in_credits(missing)} credits."
        )
    more = min(balance, max(missing, cost(job.rates, AHEAD)))
    work = str(uuid.uuid5(uuid.UUID(job.id), f"{LONGER} {len(kept)}"))
    _enter(connection, job.owner, CreditKind.RESERVE, -more, now, job_id=job.id, work=work, note=LONGER)


def end_job(connection: sa.Connection, job: Job, now: float) -> None:
    """Give back what was set aside for a job that has ended, and have it paid if it has completed."""
    if not job.rates or _reserved(connection, job.id) is None:
        return
    paid = 0
    if job.state is JobState.COMPLETED and job.duration is not None:
        completed = stages.c.state == JobState.COMPLETED.value
        kinds = connection.execute(sa.select(stages.c.kind).where(stages.c.job_id == job.id, completed))
        paid = due(job.rates, heard(job.options, job.duration), {StageKind(row.kind) for row in kinds})
    for work in _set_aside(connection, job.id):
        end_work(connection, work, paid if work == job.id else 0, now)


def end_work(connection: sa.Connection, work: str, paid: int, now: float) -> None:
    """Give back what was set aside for a piece of work, unless that was done before, and have it paid."""
    reserved = _reserved(connection, work)
    if reserved is None:
        return
    account, job_id = reserved.account, reserved.job_id
    _enter(connection, account, CreditKind.RELEASE, -reserved.amount, now, job_id=job_id, work=work)
    if paid:
        _enter(connection, account, CreditKind.SETTLE, -paid, now, job_id=job_id, work=work)


def drop_job(connection: sa.Connection, job_id: str, now: float) -> None:
    """Give back what is still set aside for a job that was deleted, and for its stages."""
    query = sa.select(credit_entries.c.work).where(
        credit_entries.c.job_id == job_id, credit_entries.c.kind == CreditKind.RESERVE.value
    )
    for row in connection.execute(query).all():
        end_work(connection, row.work, 0, now)


class SqlCredits(Sql):
    """The :class:`~harken.ports.CreditStore` of one database. Thread-safe."""

    def balance(self, account: str) -> int | None:
        """See :class:`~harken.ports.CreditStore`."""
        with self._reader.connect() as connection:
            metered = sa.select(accounts.c.metered).where(accounts.c.id == account)
            return _balance(connection, account)[0] if connection.execute(metered).scalar() else None

    def entries(self, account: str, limit: int, before: int | None = None) -> list[CreditEntry]:
        """See :class:`~harken.ports.CreditStore`."""
        query = sa.select(credit_entries).where(credit_entries.c.account == account)
        if before is not None:
            query = query.where(credit_entries.c.id < before)
        return [_entry(row) for row in self._read(query.order_by(credit_entries.c.id.desc()).limit(limit))]

    def of_job(self, job_id: str) -> list[CreditEntry]:
        """See :class:`~harken.ports.CreditStore`."""
        query = sa.select(credit_entries).where(credit_entries.c.job_id == job_id).order_by(credit_entries.c.id)
        return [_entry(row) for row in self._read(query)]

    def grant(self, account: str, amount: int, note: str, audit: AuditEntry) -> int:
        """See :class:`~harken.ports.CreditStore`."""
        with writing(self._engine) as connection:
            self._meter(connection, account, metered=True)
            _enter(connection, account, CreditKind.GRANT, amount, self._clock(), note=note)
            log.write(connection, audit, self._clock())
            return _balance(connection, account)[0]

    def unlimited(self, account: str, audit: AuditEntry) -> None:
        """See :class:`~harken.ports.CreditStore`."""
        with writing(self._engine) as connection:
            self._meter(connection, account, metered=False)
            log.write(connection, audit, self._clock())

    @staticmethod
    def _meter(connection: sa.Connection, account: str, *, metered: bool) -> None:
        done = connection.execute(accounts.update().where(accounts.c.id == account).values(metered=metered))
        if not done.rowcount:
            raise AccountNotFound(f"there is no account {account!r}")


def _set_aside(connection: sa.Connection, job_id: str) -> dict[str, int]:
    """The amounts of the entries that set something aside for a job itself, by their work."""
    query = sa.select(credit_entries.c.work, credit_entries.c.amount).where(
        credit_entries.c.job_id == job_id,
        credit_entries.c.kind == CreditKind.RESERVE.value,
        (credit_entries.c.work == job_id) | (credit_entries.c.note == LONGER),
    )
    return {row.work: row.amount for row in connection.execute(query)}


def _reserved(connection: sa.Connection, work: str) -> sa.Row[Any] | None:
    """The entry that set something aside for a piece of work, unless it was given back."""
    given_back = credit_entries.alias()
    released = sa.exists().where(given_back.c.work == work, given_back.c.kind == CreditKind.RELEASE.value)
    query = sa.select(credit_entries).where(
        credit_entries.c.work == work, credit_entries.c.kind == CreditKind.RESERVE.value, ~released
    )
    return connection.execute(query).one_or_none()


def _balance(connection: sa.Connection, account: str) -> tuple[int, int]:
    """The sum of an account's entries, and how many of them had to be read for it."""
    upto, noted = _noted(connection, account)
    total = sa.func.coalesce(sa.func.sum(credit_entries.c.amount), 0)
    query = sa.select(sa.cast(total, sa.BigInteger).label("total"), sa.func.count().label("length")).where(
        credit_entries.c.account == account, credit_entries.c.id > upto
    )
    row = connection.execute(query).one()
    return noted + int(row.total), int(row.length)


def _noted(connection: sa.Connection, account: str) -> tuple[int, int]:
    """Up to which entry the sum was noted, and that sum."""
    found = connection.execute(sa.select(facts.c.value).where(facts.c.name == f"{_SUM} {account}")).scalar()
    upto, _, total = (found or "0 0").partition(" ")
    return int(upto), int(total)


def _note_sum(connection: sa.Connection, account: str, now: float) -> None:
    """Note the sum of an account's older entries, of which nothing can change any more, to be spared their reading.

    The newest are left out: an entry that has been numbered may not have been committed.
    """
    upto, noted = _noted(connection, account)
    query = sa.select(sa.func.max(credit_entries.c.id).label("upto"), sa.func.sum(credit_entries.c.amount)).where(
        credit_entries.c.account == account, credit_entries.c.id > upto
    )
    older = sa.select(sa.func.max(credit_entries.c.id)).where(
        credit_entries.c.account == account, credit_entries.c.id > upto, credit_entries.c.created < now - SETTLED
    )
    row = connection.execute(query.where(credit_entries.c.id <= older.scalar_subquery())).one()
    if row.upto is None:
        return
    name, value = f"{_SUM} {account}", f"{row.upto} {noted + int(row[1])}"
    if connection.execute(facts.update().where(facts.c.name == name).values(value=value)).rowcount == 0:
        connection.execute(facts.insert().values(name=name, value=value))


def _enter(
    connection: sa.Connection,
    account: str,
    kind: CreditKind,
    amount: int,
    now: float,
    *,
    job_id: str | None = None,
    work: str | None = None,
    note: str = "",
) -> None:
    connection.execute(
        credit_entries.insert().values(
            account=account, kind=kind.value, amount=amount, created=now, job_id=job_id, work=work, note=note
        )
    )


def _entry(row: sa.Row[Any]) -> CreditEntry:
    return CreditEntry(
        row.id, row.account, CreditKind(row.kind), row.amount, row.created, row.job_id, row.work, row.note
    )
