# SPDX-License-Identifier: Apache-2.0
"""What waits to be taken: jobs, and stages that are done on their own. Knows no worker."""

from __future__ import annotations

import sqlalchemy as sa

from harken.model import JobState
from harken.store.tables import jobs, stages

_QUEUED = JobState.QUEUED.value

waiting = sa.union_all(
    sa.select(jobs.c.lane, jobs.c.model, jobs.c.created).where(jobs.c.state == _QUEUED),
    sa.select(sa.func.coalesce(stages.c.lane, jobs.c.lane), sa.null(), stages.c.created)
    .join_from(stages, jobs, stages.c.job_id == jobs.c.id)
    .where(stages.c.state == _QUEUED),
).subquery("waiting")
"""The ``lane`` of each, the ``model`` that it needs, where it needs one and says which, and when it was ``created``."""
