# SPDX-License-Identifier: Apache-2.0
"""What one account may have of what all share: places to wait, interactive places, room for recordings.

Counted in the transaction that enters work, by whoever holds the lock of those who do. Knows no queue.
"""

from __future__ import annotations

import json
import math
from collections.abc import Set
from typing import Any

import sqlalchemy as sa

from harken.errors import AccountFull, QueueFull
from harken.model import Job, JobState, Lane, Options, options_from
from harken.model.credits import heard
from harken.ports import Shares
from harken.service import EVERYONE
from harken.store.base import ACTIVE
from harken.store.database import is_sqlite
from harken.store.tables import jobs, stages
from harken.store.waiting import waiting

_ENTRY_LOCK = 0x717565756573
"""Key of the advisory lock that those take in PostgreSQL who enter work."""
LONG_EACH = 4
"""Long recordings of one account in the interactive lane at once."""
LONG_OF_ALL = 16
"""The same of all accounts together: half the interactive places of one worker."""
CHATS_EACH = 8
"""Questions of one account in the interactive lane at once: a language model can take minutes to answer."""


def admit(connection: sa.Connection, owner: str, max_queued: int, share: Shares) -> int:
    """How much of the owner's waits or runs. Raises QueueFull when too much waits, over all owners or of this one."""
    of_jobs = _counts(owner, jobs.c.state).where(jobs.c.state.in_(ACTIVE))
    # A running job's own stage is the job.
    of_stages = (
        _counts(owner, stages.c.state)
        .join_from(stages, jobs, stages.c.job_id == jobs.c.id)
        .where(stages.c.state.in_(ACTIVE), jobs.c.state.not_in(ACTIVE))
    )
    found = [connection.execute(query).one() for query in (of_jobs, of_stages)]
    queued, own = sum(row.queued for row in found), sum(row.own for row in found)
    if queued >= max_queued:
        raise QueueFull(f"{queued} jobs are waiting, as many as may; try again when some are done")
    if share.queued is not None and owner != EVERYONE.id and own >= share.queued:
        raise QueueFull(
            f"{own} jobs of your account are waiting, as many as may of one account (max_queued_per_account); "
            "try again when some are done"
        )
    return sum(row.active for row in found)


def alone(connection: sa.Connection) -> None:
    """Have all others wait who enter work, until the end of the transaction. In SQLite the write lock does this."""
    if not is_sqlite(connection):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ENTRY_LOCK)))


def keep(connection: sa.Connection, owner: str, size: int, most: int | None) -> None:
    """Raise AccountFull when there is no room for ``size`` more bytes of the owner's recordings."""
    if most is None:
        return
    total = sa.select(sa.func.coalesce(sa.func.sum(jobs.c.size), 0)).where(
        jobs.c.owner == owner, jobs.c.audio.is_not(None)
    )
    kept = int(connection.execute(total).scalar_one())
    if kept + size > most:
        raise AccountFull(
            f"{kept} bytes of your account's recordings are kept, and with this one there would be more than the "
            f"{most} that may be (max_kept_bytes_per_account); delete jobs that are done, or wait until their "
            "recordings are removed"
        )


def lane(connection: sa.Connection, job: Job, share: Shares) -> Lane:
    """The lane of a job: a long recording that asks for the interactive one gets it while few have it."""
    if job.lane is not Lane.INTERACTIVE or not _is_long(job.options, job.duration, share.short):
        return job.lane
    query = sa.select(jobs.c.owner, jobs.c.options, jobs.c.duration).where(
        jobs.c.state.in_(ACTIVE),
        jobs.c.lane == Lane.INTERACTIVE.value,
        jobs.c.duration.is_(None) | (jobs.c.duration > share.short),
    )
    rows = connection.execute(query)
    long = [row.owner for row in rows if _is_long(options_from(json.loads(row.options)), row.duration, share.short)]
    return Lane.BATCH if len(long) >= LONG_OF_ALL or long.count(job.owner) >= LONG_EACH else job.lane


def lane_of_stage(connection: sa.Connection, owner: str, asked: Lane) -> Lane:
    """The same for a stage: questions beyond those of which one account may have interactive places wait with texts."""
    if asked is not Lane.INTERACTIVE:
        return asked
    query = (
        sa.select(sa.func.count())
        .select_from(stages.join(jobs, stages.c.job_id == jobs.c.id))
        .where(stages.c.state.in_(ACTIVE), stages.c.lane == Lane.INTERACTIVE.value, jobs.c.owner == owner)
    )
    return Lane.TEXT if connection.execute(query).scalar_one() >= CHATS_EACH else asked


def newcomers(lane: Lane, held: Set[str], here: bool) -> sa.Select[Any]:
    """Asks how many ``owners`` wait in a lane, by ``model``, who have nothing in hand in it; see the store."""
    begun: sa.ColumnElement[bool] = jobs.c.id.in_(held)
    if not here:
        begun |= jobs.c.state == JobState.PROCESSING.value
    served = sa.select(jobs.c.owner).where(jobs.c.lane == lane.value, jobs.c.state.in_(ACTIVE), begun)
    return (
        sa.select(jobs.c.model, sa.func.count(jobs.c.owner.distinct()).label("owners"))
        .where(jobs.c.lane == lane.value, jobs.c.state == JobState.QUEUED.value, jobs.c.owner.not_in(served))
        .group_by(jobs.c.model)
    )


def passed_by(lane: Lane, before: float) -> sa.Select[Any]:
    """Asks how much waits in a lane that was entered before a time, by ``model``; see the store."""
    return (
        sa.select(waiting.c.model, sa.func.count().label("waiting"))
        .where(waiting.c.lane == lane.value, waiting.c.created < before)
        .group_by(waiting.c.model)
    )


def _is_long(options: Options, duration: float | None, short: float) -> bool:
    return short < math.inf and (duration is None or heard(options, duration) > short)


def _counts(owner: str, state: sa.ColumnElement[str]) -> sa.Select[int, int, int]:
    queued, own = state == JobState.QUEUED.value, jobs.c.owner == owner
    return sa.select(
        sa.func.count().filter(queued).label("queued"),
        sa.func.count().filter(queued, own).label("own"),
        sa.func.count().filter(own).label("active"),
    )
