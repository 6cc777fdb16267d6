# SPDX-License-Identifier: Apache-2.0
"""What accounts used, by day: counted as jobs end, in the same transaction, so that it outlives the jobs."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from harken.model import Job, JobState
from harken.model.credits import heard
from harken.store.account_tables import usage

DAY = 24 * 3600
"""Seconds."""


def count(connection: sa.Connection, job: Job, now: float) -> None:
    """Count a job that has just ended."""
    seconds = 0.0
    if job.state is JobState.COMPLETED and job.duration is not None:
        seconds = heard(job.options, job.duration)
    row: dict[str, Any] = {state.value: int(job.state is state) for state in JobState if state.ended}
    row["seconds"] = seconds
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(
        insert(usage)
        .values(day=int(now // DAY), account=job.owner, **row)
        .on_conflict_do_update(
            index_elements=["day", "account"], set_={name: usage.c[name] + value for name, value in row.items()}
        )
    )
