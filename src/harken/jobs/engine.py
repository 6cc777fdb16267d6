# SPDX-License-Identifier: Apache-2.0
"""Entering jobs: the job's row and its place in the durable queue, in one transaction.

For the API's process, which runs no job: it has a client of the queue and no executor. Knows no table.
"""

from __future__ import annotations

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from harken.jobs.names import APPLICATION, SERIALIZER, VERSION, WORKFLOW, priority, queue_name
from harken.model import Job
from harken.ports import Ledger, Submission, Transaction


def prepare(engine: sa.Engine) -> None:
    """Create or update the queue's own tables. One process at a time; the caller holds the lock."""
    DBOS.migrate(engine.url.render_as_string(hide_password=False))


class DurableJobs:
    """The :class:`~harken.ports.JobEngine` on the store's own database. Thread-safe.

    Args:
        ledger: inserts jobs.
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
        job = submission.job

        def enqueue(transaction: Transaction, active: int) -> None:
            self._client.enqueue_in_transaction(
                transaction,
                {
                    "workflow_name": WORKFLOW,
                    "queue_name": queue_name(job.lane),
                    "workflow_id": job.id,
                    "app_version": VERSION,
                    "priority": priority(job.lane, active),
                },
                job.id,
            )

        return self._ledger.enter(submission, self._max_queued, enqueue)

    def cancel(self, job_id: str) -> None:
        """See :class:`~harken.ports.JobEngine`."""
        self._client.cancel_workflow(job_id)

    def close(self) -> None:
        """See :class:`~harken.ports.JobEngine`."""
        self._client.destroy()
