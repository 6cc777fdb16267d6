# SPDX-License-Identifier: Apache-2.0
"""A worker process as the queue sees it: it takes jobs, does them, shows that it is alive, and leaves in good order.

One a process, because DBOS is one a process. Knows no model; the runner does the work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import replace

import sqlalchemy as sa
from dbos import DBOS

from harken.jobs.hands import Hands
from harken.jobs.maintenance import Maintenance, Retention
from harken.jobs.names import APPLICATION, SERIALIZER, VERSION
from harken.jobs.places import Places
from harken.jobs.queues import Intake
from harken.jobs.recovery import Pulse, put_back, running_workflows, this_process
from harken.jobs.workflows import Workflows
from harken.model import Lane
from harken.ports import Bell, BlobStore, Recordings, Roster, Runner, Stages, Store, Voices, Writer

log = logging.getLogger(__name__)

_SETTLING = 4.0
"""Seconds that the queue gets to record the ends of jobs, when a worker leaves."""
_LEAVING = 6.0
"""Seconds for handing over, settling included, at most."""


class WorkerExecutor:
    """Takes jobs off the queues and does them, until it is stopped.

    Args:
        engine: the database of the store and the queue, prepared.
        store: jobs and their windows.
        stages: their stages.
        voices: enrolled voices.
        roster: which workers are alive.
        blobs: the recordings.
        runner: recognises chapters and finds speakers.
        writer: does text work.
        recordings: fetches the recordings of jobs that came with a URL.
        open_bell: connects to what announces new jobs.
        limits: jobs of each lane that are done at a time, many interactive ones, so that none waits for a long one; a
            lane without a limit is left to others.
        enough: jobs of a lane with which this worker has enough to do, while others may have nothing.
        retention: how long things are kept.
        dead_after: seconds of silence after which a worker counts as dead.
        models: canonical names of the models whose recordings are taken; None is any.
        canonical: the canonical name of the model that options name, or raises UnknownModel.
    """

    def __init__(
        self,
        *,
        engine: sa.Engine,
        store: Store,
        stages: Stages,
        voices: Voices,
        roster: Roster,
        blobs: BlobStore,
        runner: Runner,
        writer: Writer,
        recordings: Recordings,
        open_bell: Callable[[], Bell],
        limits: Mapping[Lane, int],
        enough: int,
        retention: Retention,
        dead_after: float,
        canonical: Callable[[str | None], str],
        models: Set[str] | None = None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._roster = roster
        self._open_bell = open_bell
        self._limits = dict(limits)
        self._enough = enough
        self._models = models
        self._executor = replace(
            this_process(),
            lanes=None if limits.keys() >= set(Lane) else tuple(limits),
            models=None if models is None else tuple(sorted(models)),
        )
        self._hands = Hands()
        self._workflows = Workflows(
            self._hands, store, stages, voices, blobs, runner, writer, recordings, self._executor.id
        )
        self._dead_after = dead_after
        self._pulse = Pulse(roster, self._executor, dead_after, self._hands.running, self._ring)
        self._maintenance = Maintenance(store, stages, roster, blobs, retention, canonical)
        self._intake: Intake | None = None
        self._gone = threading.Event()

    @property
    def id(self) -> str:
        """New at every start."""
        return self._executor.id

    def running(self) -> set[str]:
        """Ids of the jobs and stages in hand."""
        return self._hands.running()

    def start(self) -> None:
        """Begin. Jobs that a dead worker of this machine left are taken up within a second or so."""
        # Whoever may claim a job must be known to be alive.
        self._pulse.beat()
        # DBOS would log to the terminal by itself; with a handler of any kind it leaves that to the application.
        logger = logging.getLogger("dbos")
        logger.handlers = [logging.NullHandler()]
        logger.propagate = True
        dbos = DBOS(
            config={
                "name": APPLICATION,
                "application_version": VERSION,
                "executor_id": self._executor.id,
                "system_database_url": self._engine.url.render_as_string(hide_password=False),
                "system_database_engine": self._engine,
                "serializer": SERIALIZER,
                "log_level": "WARNING",
                "run_migrations": False,
                # Nothing here waits for its events; it would hold a connection and wake a hundred times a second.
                "use_listen_notify": False,
                # Likewise: it only says how long stopping waits for a thread that has nothing to do.
                "notification_listener_polling_interval_sec": 0.2,
            }
        )
        DBOS.listen_queues([])
        self._workflows.register()
        DBOS.launch()
        places = Places(
            self._store,
            self._hands,
            self._executor,
            self._limits,
            self._enough,
            lambda: self._pulse.others,
            self._workflows.fetching,
        )
        self._intake = Intake(dbos, places, self._open_bell, self._begun)
        self._pulse.sweep()
        self._intake.start()
        self._pulse.start()
        self._maintenance.start()
        lanes = ", ".join(lane.value for lane in self._limits)
        models = "any model" if self._models is None else ", ".join(sorted(self._models))
        log.info("executor %s takes jobs of %s, for %s", self.id, lanes, models)

    def hurry(self) -> None:
        """Have :meth:`stop`, now or later, wait for no chapter. For signal handlers too."""
        self._hands.abort()

    def stop(self, drain: float) -> None:
        """Take no more jobs, finish the chapters in hand within ``drain`` seconds, put the jobs back, and leave.

        Others, or the next start, go on at once with what was put back. A database that is away is not waited for: this
        worker is then as good as dead to others, who take over.
        """
        if self._intake is None:
            return
        self._intake.stop()
        self._intake = None
        self._maintenance.stop()
        if not self._hands.stop(drain):
            log.warning("jobs that do not stop: %s", sorted(self._hands.running()))
        self._pulse.stop()
        # The queue tries for ever to reach a database that is away; nobody who stops a worker has so much time.
        leaving = threading.Thread(target=self._leave, name="leaving", daemon=True)
        leaving.start()
        leaving.join(_LEAVING)
        if not self._gone.is_set():
            log.warning(
                "others take over what was in hand when this worker has been silent for %g s: it could not tell the "
                "database that it leaves",
                self._dead_after,
            )

    def _leave(self) -> None:
        """Hand over, in the database."""
        try:
            self._settle()
            put_back([self.id])
            self._roster.leave(self.id)
            self._gone.set()
        except Exception:
            log.exception("the jobs in hand could not be put back")
        DBOS.destroy(destroy_registry=True)

    def _settle(self) -> None:
        """Wait until the queue has recorded the end of every job that ended here, so that none of them is put back."""
        deadline = time.monotonic() + _SETTLING
        while time.monotonic() < deadline:
            if running_workflows(self.id).keys() <= self._hands.left() | self._hands.running():
                return
            time.sleep(0.01)

    def _begun(self) -> bool:
        try:
            return running_workflows(self.id).keys() <= self._hands.running()
        except Exception as error:  # noqa: BLE001  whatever it is, the queue's thread will meet it and knows how to wait
            log.debug("cannot tell what was claimed: %s", error)
            return True

    def _ring(self) -> None:
        if self._intake is not None:
            self._intake.ring()
