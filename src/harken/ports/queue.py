# SPDX-License-Identifier: Apache-2.0
"""Entering jobs and stages: what was submitted is done once, whatever dies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from harken.model import Job, Quote, Stage, Transcript


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be made, with what must hold in the same transaction."""

    job: Job
    idempotency_key: str | None = None
    fingerprint: str = ""
    """SHA-256 of the recording and the options: the same key with another fingerprint is a conflict."""
    given: tuple[Transcript, Stage] | None = None
    """The transcript of a job without a recording, and what is to be done with it."""
    quote: Quote | None = None
    """Credits that the job can cost, which are set aside with its entry; for a job that is only a stage, the stage's
    ``price`` says it."""


class JobEngine(Protocol):
    """Durable jobs: what was submitted is done once, whatever dies."""

    def submit(self, submission: Submission) -> tuple[Job, bool]:
        """Insert the job and enqueue its workflow, or that of the stage that comes with it, in one transaction.

        Returns the job and whether it is new (False: the idempotency key gave an earlier one). Raises QueueFull,
        IdempotencyConflict or NotEnoughCredits; then nothing was inserted.
        """

    def submit_stage(self, stage: Stage) -> Stage:
        """Insert a stage of a completed job and enqueue its workflow in one transaction.

        Raises JobNotFound, JobNotFinished, AudioGone (for a stage that needs the recording), StageRunning,
        QueueFull or NotEnoughCredits; then nothing was inserted.
        """

    def cancel(self, workflow_id: str) -> None:
        """Take a job or a stage that has been cancelled off the queue, if it is still on it."""

    def close(self) -> None:
        """Give connections back."""


Transaction = Any
"""An open transaction of the store's database, which the queue shares."""


class Ledger(Protocol):
    """Where jobs are entered, as the queue needs it."""

    def enter(
        self, submission: Submission, max_queued: int, enqueue: Callable[[Transaction, int], None]
    ) -> tuple[Job, bool]:
        """Insert a job and call ``enqueue(transaction, active)`` in the same transaction, one submission at a time.

        ``active`` is the number of the caller's jobs that wait or run. What is returned and raised is as in
        :meth:`JobEngine.submit`.
        """

    def enter_stage(self, stage: Stage, max_queued: int, enqueue: Callable[[Transaction, Job, int], None]) -> Stage:
        """The same for a stage of a completed job, as in :meth:`JobEngine.submit_stage`; its job is handed on."""
