# SPDX-License-Identifier: Apache-2.0
"""The administrator's view over every account: jobs, queues, workers, usage. Each change is in the audit log."""

from __future__ import annotations

import time
from collections.abc import Callable

from harken.model import Job, JobState
from harken.ports import Executor, Figures, Overview, Page, Queue, Roster, Used
from harken.service.admin import Admin
from harken.service.jobs import Service

LATELY = 300.0
"""Seconds that count as recent in figures."""
_DAY = 24 * 3600


class Oversight:
    """The use cases.

    Args:
        overview: reads over every account.
        roster: which workers are alive.
        service: changes jobs, as their owners would.
        admin: keeps the audit log.
        dead_after: seconds of silence after which a worker counts as dead.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        overview: Overview,
        roster: Roster,
        service: Service,
        admin: Admin,
        dead_after: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._overview = overview
        self._roster = roster
        self._service = service
        self._admin = admin
        self._dead_after = dead_after
        self._clock = clock

    def job(self, job_id: str) -> Job:
        """Anybody's job. Raises JobNotFound."""
        return self._overview.job(job_id)

    def jobs(
        self, limit: int, cursor: str | None = None, *, account: str | None = None, state: JobState | None = None
    ) -> Page:
        """Everybody's jobs, newest first. Raises InvalidOption for a cursor that is none."""
        return self._overview.jobs(limit, cursor, account=account, state=state)

    def cancel(self, job_id: str, by: str) -> Job:
        """Cancel anybody's job. Raises JobNotFound, JobEnded."""
        owner = self._service.owner(job_id)
        job = self._service.cancel(job_id, owner)
        self._admin.note(by, "job.cancel", job_id, account=owner.id)
        return job

    def delete(self, job_id: str, by: str) -> None:
        """Remove anybody's job with its recording and its text. Raises JobNotFound."""
        owner = self._service.owner(job_id)
        self._service.delete(job_id, owner)
        self._admin.note(by, "job.delete", job_id, account=owner.id)

    def queues(self) -> list[Queue]:
        """What waits and runs, by lane."""
        return self._overview.queues()

    def workers(self) -> list[tuple[Executor, bool]]:
        """Every worker that has not left, and whether it is alive; the one heard of last first."""
        known = sorted(self._roster.executors(), key=lambda one: one.silence)
        return [(one, one.silence < self._dead_after) for one in known]

    def figures(self) -> Figures:
        """Numbers for dashboards; what is recent in them ended in the last :data:`LATELY` seconds."""
        return self._overview.figures(self._clock() - LATELY)

    def used(self, days: int) -> list[Used]:
        """What accounts had done on each of the last ``days`` days, today being one; newest first."""
        return self._overview.used(int(self._clock() // _DAY) - days + 1)
