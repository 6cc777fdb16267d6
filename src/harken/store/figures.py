# SPDX-License-Identifier: Apache-2.0
"""Numbers for dashboards. Each query reads what an index leads to, or no more than the newest rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from harken.model import JobState, Lane
from harken.ports import Figures, Recent
from harken.store.account_tables import credit_entries, usage
from harken.store.tables import deliveries, jobs, windows

MOST_ENTRIES = 10_000
"""Of the ledger that are looked at: it has no index by time."""

Read = Callable[[sa.Select[Any]], Sequence[sa.Row[Any]]]


def read(rows: Read, since: float) -> Figures:
    """What there is now, and what became of the jobs that ended from ``since`` on."""
    totals = [usage.c[state.value] for state in JobState if state.ended]
    ever = rows(sa.select(*(sa.func.sum(column).label(column.name) for column in (*totals, usage.c.seconds))))[0]
    told = rows(sa.select(deliveries.c.state, sa.func.count().label("number")).group_by(deliveries.c.state))
    newest = (
        sa.select(credit_entries.c.kind, credit_entries.c.amount, credit_entries.c.created)
        .order_by(credit_entries.c.id.desc())
        .limit(MOST_ENTRIES)
        .subquery()
    )
    credit = rows(
        sa.select(newest.c.kind, sa.func.sum(newest.c.amount).label("amount"))
        .where(newest.c.created >= since)
        .group_by(newest.c.kind)
    )
    return Figures(
        ended={column.name: getattr(ever, column.name) or 0 for column in totals},
        seconds=ever.seconds or 0.0,
        deliveries={row.state: row.number for row in told},
        credits={row.kind: int(row.amount) for row in credit},
        recent=_recent(rows, since),
    )


def _recent(rows: Read, since: float) -> Recent:
    ended = jobs.c.ended >= since
    fetched = jobs.c.source.is_not(None)
    completed = jobs.c.state == JobState.COMPLETED.value
    counts = rows(
        sa.select(jobs.c.state, fetched.label("fetched"), sa.func.count().label("number"))
        .where(ended)
        .group_by(jobs.c.state, fetched)
    )
    columns: list[sa.ColumnElement[Any]] = [
        sa.func.count().label("number"),
        sa.func.sum(jobs.c.started - jobs.c.created).label("waited"),
        sa.func.sum(sa.case((jobs.c.attempts > 1, jobs.c.attempts - 1), else_=0)).label("retries"),
        sa.func.sum(jobs.c.ended - jobs.c.started).filter(completed).label("took"),
        sa.func.sum(jobs.c.position).filter(completed).label("heard"),
    ]
    begun = rows(sa.select(*columns).where(ended, jobs.c.started.is_not(None), jobs.c.lane != Lane.TEXT.value))[0]
    heard = rows(sa.select(sa.func.count().label("number")).join_from(windows, jobs).where(ended))[0]
    return Recent(
        uploads={row.state: row.number for row in counts if not row.fetched},
        fetches={row.state: row.number for row in counts if row.fetched},
        wait=begun.waited / begun.number if begun.number else None,
        realtime_factor=begun.took / begun.heard if begun.heard else None,
        windows=heard.number,
        retries=begun.retries or 0,
    )
