# SPDX-License-Identifier: Apache-2.0
"""Entering jobs and stages: what was submitted is done once, whatever dies."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from harken.model import Job, Lane, Quote, Stage, Transcript


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
    model: str | None = None
    """Canonical name of the model that the recording is for, by which workers choose; None where any will do."""


class JobEngine(Protocol):
    """Durable jobs: what was submitted is done once, whatever dies."""

    def submit(self, submission: Submission) -> tuple[Job, bool]:
        """Insert the job and enqueue its workflow, or that of the stage that comes with it, in one transaction.

        Returns the job and whether it is new (False: the idempotency key gave an earlier one). Raises QueueFull,
        AccountFull, IdempotencyConflict or NotEnoughCredits; then nothing was inserted.
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


Enqueue = Callable[[Transaction, Lane, int], None]
"""Puts work into the queue of a lane; ``active`` is the number of the caller's jobs that wait or run."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What one account may have of what all share. None is no bound."""

    queued: int | None = None
    """Jobs that may wait; where there are no keys, the one caller has all of them."""
    kept: int | None = None
    """Bytes of recordings that are kept."""
    short: float = math.inf
    """Seconds of audio up to which a recording takes the interactive lane beside any number of others. A longer one,
    whose caller waits, holds its place for long: of those few have one, and the next go first in the batch lane."""


class Ledger(Protocol):
    """Where jobs are entered, as the queue needs it."""

    def enter(self, submission: Submission, max_queued: int, enqueue: Enqueue) -> tuple[Job, bool]:
        """Insert a job and call ``enqueue`` in the same transaction, one submission at a time.

        The lane is the job's, or the stage's that comes with it, unless that lane has no place for it. What is returned
        and raised is as in :meth:`JobEngine.submit`.
        """

    def enter_stage(self, stage: Stage, max_queued: int, enqueue: Enqueue) -> Stage:
        """The same for a stage of a completed job, as in :meth:`JobEngine.submit_stage`."""
