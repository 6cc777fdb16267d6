# SPDX-License-Identifier: Apache-2.0
"""What can happen to the hosts of a cluster, and how it is made good again.

Each fault strikes while jobs are in hand, and is over only when it has had its effect: a worker that was cut off stays
so until others have its jobs. Waits for conditions, and never for luck.
"""

from __future__ import annotations

import contextlib
import errno
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from tests.hosts.audit import Audit
from tests.hosts.cluster import DEAD_AFTER, Cluster, Server, until


@dataclass
class Scene:
    """A round that is under way."""

    cluster: Cluster
    audit: Audit
    coming: Sequence[Future[str]]
    """The recordings that are being sent; each is done when its job is entered."""
    refused: list[str]
    """What clients were told in place of answers; it grows."""
    held: dict[str, str] = field(default_factory=dict)
    """Jobs that were in the hands of those that the fault struck, and whose those are."""
    struck: float = 0.0
    """When that was, by the monotonic clock."""
    regained: float | None = None
    """When those jobs were in other hands, or had ended."""
    in_flight: int = 0
    """Jobs that had not ended when it struck."""

    def entered(self) -> bool:
        """Whether all recordings are in."""
        return all(one.done() for one in self.coming)

    def amid_uploads(self) -> None:
        """Wait until a third of the recordings is in."""
        until(lambda: 3 * sum(one.done() for one in self.coming) >= len(self.coming))

    def busy(self, count: int = 1) -> list[Server]:
        """So many workers with jobs in hand, as soon as there are."""
        found: list[Server] = []

        def look() -> bool:
            executors = set(self.audit.hands().values())
            found[:] = [worker for worker in self.cluster.workers if self.audit.executors(worker) & executors]
            return self.entered() and len(found) >= count

        until(look, lambda: f"of {count} workers that should have jobs, only {[one.name for one in found]} have")
        return found[:count]

    def strikes(self, *victims: Server) -> None:
        """Note what is going on, and whose jobs are to be taken over."""
        executors = {executor for victim in victims for executor in self.audit.executors(victim)}
        self.held = {job: executor for job, executor in self.audit.hands().items() if executor in executors}
        self.in_flight = self.audit.active()
        self.struck = time.monotonic()

    def taken_over(self) -> None:
        """Wait until nobody that was struck has one of those jobs."""

        def left() -> list[str]:
            hands = self.audit.hands()
            return [job for job, executor in self.held.items() if hands.get(job) == executor]

        until(lambda: not left(), lambda: f"not taken over: {left()}")
        self.regained = time.monotonic()

    def all_ended(self) -> None:
        """Wait until there is nothing left to do."""
        until(lambda: self.entered() and not self.audit.active(), lambda: f"{self.audit.active()} jobs do not end")

    def noticed(self) -> None:
        """Wait until a client was refused something, or none has anything left to ask."""
        told = len(self.refused)
        until(lambda: len(self.refused) > told or self.entered(), lambda: "no client noticed")


Fault = Callable[[Scene], None]


def nothing(scene: Scene) -> None:
    """Nothing: the run that the others are compared with."""
    scene.strikes()


def killed_workers(scene: Scene) -> None:
    """Two of three workers lose power at the same moment, and come back when the third has their jobs."""
    victims = scene.busy(2)
    scene.strikes(*victims)
    for victim in victims:
        victim.power_cut()
    scene.taken_over()
    for victim in victims:
        victim.start()


def killed_worker_process(scene: Scene) -> None:
    """A worker's process alone is killed (`kill -9`), and started again at once, as a service manager would."""
    (victim,) = scene.busy()
    scene.strikes(victim)
    victim.stop(signal.SIGKILL)
    victim.start()
    scene.taken_over()


def stopped_worker(scene: Scene) -> None:
    """A worker is told to stop, as when it is upgraded, hands over what it does not finish, and is started again."""
    (victim,) = scene.busy()
    scene.strikes(victim)
    victim.stop()
    scene.taken_over()
    victim.start()


def killed_api(scene: Scene) -> None:
    """An API loses power amidst uploads, and comes back when clients have noticed."""
    victim = scene.cluster.apis[0]
    scene.amid_uploads()
    scene.strikes()
    victim.power_cut()
    scene.noticed()
    victim.start()


def cut_worker(scene: Scene) -> None:
    """A worker's packets are lost, without a word to anybody, until others have its jobs."""
    (victim,) = scene.busy()
    scene.strikes(victim)
    victim.host.cut()
    scene.taken_over()
    victim.host.heal()


def cut_api(scene: Scene) -> None:
    """An API's packets are lost amidst uploads, until clients have noticed."""
    victim = scene.cluster.apis[0]
    scene.amid_uploads()
    scene.strikes()
    victim.host.cut()
    scene.noticed()
    victim.host.heal()


def restarted_database(scene: Scene) -> None:
    """PostgreSQL is stopped at once, losing every transaction that has not committed, and started again."""
    scene.busy()
    scene.strikes()
    scene.cluster.database.stop(signal.SIGQUIT)
    scene.cluster.database.start()
    scene.cluster.wait_database()


def vanished_database(scene: Scene) -> None:
    """The database's host is gone without closing a connection, for longer than it takes to count as dead."""
    scene.busy()
    scene.strikes()
    database = scene.cluster.database
    database.host.cut()
    database.power_cut()
    time.sleep(DEAD_AFTER + 2.0)
    database.start()
    database.host.heal()
    scene.cluster.wait_database()


def killed_objects(scene: Scene) -> None:
    """The object store is killed amidst uploads, and started again when clients have noticed."""
    scene.amid_uploads()
    scene.strikes()
    scene.cluster.objects.power_cut()
    scene.noticed()
    scene.cluster.objects.start()


def cut_objects(scene: Scene) -> None:
    """The object store's packets are lost while workers read from it, for longer than a worker may be silent."""
    scene.busy()
    scene.strikes()
    scene.cluster.objects.host.cut()
    time.sleep(DEAD_AFTER + 2.0)
    scene.cluster.objects.host.heal()


def full_disk_of_a_worker(scene: Scene) -> None:
    """A worker's disk is full until everything has ended."""
    (victim,) = scene.busy()
    scene.strikes(victim)
    with _filled(victim):
        scene.all_ended()


def full_disk_of_an_api(scene: Scene) -> None:
    """An API's disk is full while recordings come in, and until everything has ended."""
    scene.amid_uploads()
    scene.strikes()
    with _filled(scene.cluster.apis[1]):
        scene.all_ended()


def frozen_worker(scene: Scene) -> None:
    """A worker's host stands still until others have its jobs (SIGSTOP), and wakes as if nothing had been."""
    (victim,) = scene.busy()
    scene.strikes(victim)
    victim.freeze()
    scene.taken_over()
    victim.thaw()


FAULTS: tuple[Fault, ...] = (
    killed_workers,
    killed_worker_process,
    stopped_worker,
    killed_api,
    cut_worker,
    cut_api,
    restarted_database,
    vanished_database,
    killed_objects,
    cut_objects,
    full_disk_of_a_worker,
    full_disk_of_an_api,
    frozen_worker,
)


@contextlib.contextmanager
def _filled(server: Server) -> Iterator[None]:
    ballast = server.host.path(server.folder) / "ballast"
    _fill(ballast)
    try:
        yield
    finally:
        ballast.unlink()


def _fill(ballast: Path) -> None:
    """Leave not a byte of the disk that a file is on."""
    with ballast.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017
