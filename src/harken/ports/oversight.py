# SPDX-License-Identifier: Apache-2.0
"""What an administrator looks over: jobs of everyone, what waits, what accounts used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harken.model import Job, JobState, Lane
from harken.ports.figures import Figures
from harken.ports.store import Page


@dataclass(frozen=True, slots=True)
class Queue:
    """What has not ended in one lane. Times are seconds since the epoch."""

    lane: Lane
    queued: int
    processing: int
    oldest: float | None
    """Since when the job waits that has waited for longest; None where none waits."""


@dataclass(frozen=True, slots=True)
class Used:
    """What an account had done on one day."""

    account: str
    day: int
    """Days since the epoch, in UTC."""
    completed: int = 0
    """Jobs by how they ended."""
    failed: int = 0
    cancelled: int = 0
    seconds: float = 0.0
    """Audio that was heard in jobs that completed."""
    credits: int = 0
    """What was paid, in thousandths of a credit."""


class Overview(Protocol):
    """Reads over every account. Each method is one look at the database."""

    def job(self, job_id: str) -> Job:
        """The job, whoever's it is. Raises :class:`~harken.errors.JobNotFound`."""

    def jobs(
        self, limit: int, cursor: str | None = None, *, account: str | None = None, state: JobState | None = None
    ) -> Page:
        """Jobs newest first, of one account or in one state where that is asked for. Raises InvalidOption."""

    def queues(self) -> list[Queue]:
        """What waits and runs, by lane; lanes with nothing in them too."""

    def figures(self, since: float) -> Figures:
        """Numbers for dashboards, and what became of the jobs that ended from ``since`` on."""

    def used(self, since: int) -> list[Used]:
        """What was used on the day ``since`` and after it, newest first; jobs that were deleted count on."""
