# SPDX-License-Identifier: Apache-2.0
"""Numbers for dashboards, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from harken.model import Job, JobState, Lane, Options
from harken.ports import Figures, Recent
from harken.store import SqlOverview, rows, usage
from harken.store.account_tables import credit_entries
from harken.store.tables import deliveries, jobs, windows

NOW = 1_000_000.0


def ended(name: str, state: JobState = JobState.COMPLETED, **more: Any) -> Job:
    """A job that was entered at -100 s, begun at -90 s and ended at -60 s."""
    values: dict[str, Any] = {
        "created": NOW - 100,
        "updated": NOW - 60,
        "started": NOW - 90,
        "ended": NOW - 60,
        "position": 120.0,
        "duration": 120.0,
        "attempts": 1,
        "lane": Lane.BATCH,
    }
    return Job(id=name, owner="me", state=state, options=Options(), filename="", **{**values, **more})


def test_nothing_yet(engine: sa.Engine) -> None:
    assert SqlOverview(engine).figures(0.0) == Figures(
        ended={"completed": 0, "failed": 0, "cancelled": 0},
        seconds=0.0,
        deliveries={},
        credits={},
        recent=Recent(uploads={}, fetches={}, wait=None, realtime_factor=None, windows=0, retries=0),
    )


def test_what_became_of_jobs(engine: sa.Engine) -> None:
    known = [
        ended("a", webhook="http://receiver.example/"),
        ended("b", attempts=3, started=NOW - 80, webhook="http://receiver.example/"),
        ended("c", JobState.FAILED, source="http://recordings.example/c.mp3", position=5.0),
        ended("d", source="http://recordings.example/d.mp3", started=NOW - 70),
        ended("text", lane=Lane.TEXT, started=NOW - 99, position=9999.0),
        ended("cancelled", JobState.CANCELLED, started=None),
        ended("long ago", ended=NOW - 1000),
        ended("running", JobState.PROCESSING, ended=None),
    ]
    with engine.begin() as connection:
        for job in known:
            connection.execute(jobs.insert().values(rows.job_values(job)))
            if job.state.ended:
                usage.count(connection, job, NOW)
            for index in range(2):
                connection.execute(windows.insert().values(job_id=job.id, idx=index, result="{}"))
            if job.webhook is not None:
                connection.execute(deliveries.insert().values(rows.delivery_values(job, job.id, NOW)))
        for number, (kind, amount, at) in enumerate([("settle", -1500, 30), ("settle", -250, 20), ("grant", 9, 999)]):
            connection.execute(
                credit_entries.insert().values(
                    account="me", kind=kind, amount=amount, created=NOW - at, work=str(number), note=""
                )
            )
    figures = SqlOverview(engine).figures(NOW - 300)
    assert figures.ended == {"completed": 5, "failed": 1, "cancelled": 1}
    assert figures.seconds == 5 * 120.0
    assert figures.deliveries == {"waiting": 2}
    assert figures.credits == {"settle": -1750}
    recent = figures.recent
    assert recent.uploads == {"completed": 3, "cancelled": 1}
    assert recent.fetches == {"completed": 1, "failed": 1}
    assert recent.wait == pytest.approx((10 + 20 + 10 + 30) / 4)
    assert recent.realtime_factor == pytest.approx((30 + 20 + 10) / (3 * 120))
    assert recent.retries == 2
    assert recent.windows == 12
