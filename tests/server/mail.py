# SPDX-License-Identifier: Apache-2.0
"""The webhooks of servers whose jobs are in memory: really kept, signed and sent, to loopback too."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

from harken.model import Job
from harken.net.addresses import networks
from harken.net.guard import Guard
from harken.net.webhook import new_secret
from harken.ports import Stages, Store
from harken.service import Webhooks
from harken.store import SqlWebhooks, Vault, connect, rows
from harken.store.tables import deliveries, jobs
from harken.wiring.network import sender

TRIES = 5


class Mail:
    """Webhooks on the database at ``path``, which knows only those jobs that are told of.

    ``pause`` gives the seconds until the next try; it may be set by tests. Nobody waits for minutes here.
    """

    def __init__(self, path: Path, store: Store, stages: Stages) -> None:
        self.pause: Callable[[int], float | None] = lambda failed: 0.05 if failed < TRIES else None
        self._engine = connect(path)
        self._told: set[str] = set()
        self.webhooks = Webhooks(
            SqlWebhooks(self._engine, new_secret, Vault(b"a secret")),
            store,
            stages,
            sender(Guard(networks(["127.0.0.0/8"]))),
            lambda failed, _: self.pause(failed),
            time.time,
        )

    def ended(self, job: Job) -> None:
        """Have it told how a job ended, once."""
        if job.webhook is None or job.id in self._told:
            return
        self._told.add(job.id)
        with self._engine.begin() as connection:
            connection.execute(jobs.insert().values(rows.job_values(job)))
            connection.execute(deliveries.insert().values(rows.delivery_values(job, str(uuid.uuid4()), time.time())))

    def deleted(self, job_id: str) -> None:
        """Forget a job."""
        if job_id in self._told:
            with self._engine.begin() as connection:
                connection.execute(jobs.delete().where(jobs.c.id == job_id))

    def close(self) -> None:
        """Give connections back."""
        self._engine.dispose()
