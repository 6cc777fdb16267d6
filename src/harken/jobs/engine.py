# SPDX-License-Identifier: Apache-2.0
"""Entering jobs and stages: the row and its place in the durable queue, in one transaction.

For the API's process, which runs no job: it has a client of the queue and no executor. Knows no table.
"""

from __future__ import annotations

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from harken.jobs.names import (
    ANYBODY,
    APPLICATION,
    SERIALIZER,
    STAGE_WORKFLOW,
    VERSION,
    WORKFLOW,
    priority,
    queue_name,
)
from harken.model import Job, Lane, Stage
from harken.ports import Ledger, Submission, Transaction


def prepare(engine: sa.Engine) -> None:
    """Create or update the queue's own tables. One process at a time; the caller holds the lock."""
    DBOS.migrate(engine.url.render_as_string(hide_password=False))


class DurableJobs:
    """The :class:`~harken.ports.JobEngine` on the store's own database. Thread-safe.

    Args:
        ledger: inserts jobs and stages.
        engine: the ledger's database.
        max_queued: jobs that may wait, over all callers.
    """

    def __init__(self, ledger: Ledger, engine: sa.Engine, *, max_queued: int) -> None:
        self._ledger = ledger
        self._max_queued = max_queued
        self._client = DBOSClient(
            system_database_engine=engine,
            serializer=SERIALIZER,
            application_name=APPLICATION,
            # A request is better told that the database is away than held until it is back.
            retry_connection_errors=False,
        )

    def submit(self, submission: Submission) -> tuple[Job, bool]:
        """See :class:`~harken.ports.JobEngine`."""
        job, stage = submission.job, None if submission.given is None else submission.given[1]

        def enqueue(transaction: Transaction, lane: Lane, active: int) -> None:
            if stage is None:
                for_model = submission.model or ANYBODY
                self._enqueue(transaction, WORKFLOW, job.id, lane, priority(job.lane, active), for_model)
            else:
                self._enqueue(transaction, STAGE_WORKFLOW, stage.id, lane, priority(stage.lane or job.lane, active))

        return self._ledger.enter(submission, self._max_queued, enqueue)

    def submit_stage(self, stage: Stage) -> Stage:
        """See :class:`~harken.ports.JobEngine`."""

        def enqueue(transaction: Transaction, lane: Lane, active: int) -> None:
            self._enqueue(transaction, STAGE_WORKFLOW, stage.id, lane, priority(stage.lane or lane, active))

        return self._ledger.enter_stage(stage, self._max_queued, enqueue)

    def cancel(self, workflow_id: str) -> None:
        """See :class:`~harken.ports.JobEngine`."""
        self._client.cancel_workflow(workflow_id)

    def _enqueue(
        self,
        transaction: Transaction,
        workflow: str,
        workflow_id: str,
        lane: Lane,
        before_others: int,
        partition: str = ANYBODY,
    ) -> None:
        self._client.enqueue_in_transaction(
            transaction,
            {
                "workflow_name": workflow,
                "queue_name": queue_name(lane),
                "workflow_id": workflow_id,
                "app_version": VERSION,
                # By the lane that was asked for: whoever waits goes first in the lane that is given too.
                "priority": before_others,
                "queue_partition_key": partition,
            },
            workflow_id,
        )

    def close(self) -> None:
        """See :class:`~harken.ports.JobEngine`."""
        self._client.destroy()
