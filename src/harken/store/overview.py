# SPDX-License-Identifier: Apache-2.0
"""Jobs and figures of every account in SQLite or PostgreSQL. Changes nothing."""

from __future__ import annotations

import sqlalchemy as sa

from harken.model import CreditKind, Job, JobState, Lane
from harken.ports import Figures, Page, Queue, Used
from harken.store import figures, rows
from harken.store.account_tables import credit_entries, usage
from harken.store.base import ACTIVE, Sql, not_found
from harken.store.database import is_sqlite
from harken.store.paging import cursor_of, place_of
from harken.store.tables import jobs, stages
from harken.store.usage import DAY


class SqlOverview(Sql):
    """The :class:`~harken.ports.Overview` of one database. Thread-safe."""

    def job(self, job_id: str) -> Job:
        """See :class:`~harken.ports.Overview`."""
        found = self._read(sa.select(jobs).where(jobs.c.id == job_id))
        if not found:
            raise not_found(job_id)
        return rows.job_from(found[0])

    def jobs(
        self, limit: int, cursor: str | None = None, *, account: str | None = None, state: JobState | None = None
    ) -> Page:
        """See :class:`~harken.ports.Overview`."""
        query = sa.select(jobs).order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit + 1)
        if account is not None:
            query = query.where(jobs.c.owner == account)
        if state is not None:
            query = query.where(jobs.c.state == state.value)
        if cursor is not None:
            query = query.where(sa.tuple_(jobs.c.created, jobs.c.id) < sa.tuple_(*map(sa.literal, place_of(cursor))))
        found = [rows.job_from(row) for row in self._read(query)]
        last = found[limit - 1] if len(found) > limit else None
        return Page(tuple(found[:limit]), None if last is None else cursor_of(last.created, last.id))

    def queues(self) -> list[Queue]:
        """See :class:`~harken.ports.Overview`. A stage of a running job is the job."""
        of_jobs = sa.select(jobs.c.lane, jobs.c.state, jobs.c.created).where(jobs.c.state.in_(ACTIVE))
        lane = sa.func.coalesce(stages.c.lane, jobs.c.lane)
        of_stages = (
            sa.select(lane, stages.c.state, stages.c.created)
            .join_from(stages, jobs, stages.c.job_id == jobs.c.id)
            .where(stages.c.state.in_(ACTIVE), jobs.c.state.not_in(ACTIVE))
        )
        active = sa.union_all(of_jobs, of_stages).subquery()
        queued = active.c.state == JobState.QUEUED.value
        query = sa.select(
            active.c.lane,
            sa.func.count().filter(queued).label("queued"),
            sa.func.count().filter(~queued).label("processing"),
            sa.func.min(active.c.created).filter(queued).label("oldest"),
        ).group_by(active.c.lane)
        found = {row.lane: row for row in self._read(query)}
        return [
            Queue(one, found[one].queued, found[one].processing, found[one].oldest)
            if one in found
            else Queue(one, 0, 0, None)
            for one in Lane
        ]

    def figures(self, since: float) -> Figures:
        """See :class:`~harken.ports.Overview`."""
        return figures.read(self._read, since)

    def used(self, since: int) -> list[Used]:
        """See :class:`~harken.ports.Overview`."""
        # A cast cuts off in SQLite and rounds in PostgreSQL.
        days = credit_entries.c.created / DAY
        day = sa.cast(days if is_sqlite(self._engine) else sa.func.floor(days), sa.Integer).label("day")
        amount = sa.cast(-sa.func.sum(credit_entries.c.amount), sa.BigInteger).label("paid")
        paid = (
            sa.select(credit_entries.c.account, day, amount)
            .where(credit_entries.c.kind == CreditKind.SETTLE.value, credit_entries.c.created >= since * DAY)
            .group_by(credit_entries.c.account, day)
        )
        credit = {(row.account, row.day): row.paid for row in self._read(paid)}
        done = {(row.account, row.day): row for row in self._read(sa.select(usage).where(usage.c.day >= since))}
        found = []
        for account, on in sorted({*credit, *done}, key=lambda key: (-key[1], key[0])):
            row, costs = done.get((account, on)), credit.get((account, on), 0)
            if row is None:
                found.append(Used(account, on, credits=costs))
            else:
                found.append(Used(account, on, row.completed, row.failed, row.cancelled, row.seconds, costs))
        return found
