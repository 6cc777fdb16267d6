# SPDX-License-Identifier: Apache-2.0
"""The models folder of a server: what is in it, fetching in the background, deleting.

A fetch runs in this process. One that ends with it leaves what came: the next goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from harken.errors import HarkenError, InvalidOption, ModelInUse, WorkerUnavailable
from harken.models.manifest import Installed
from harken.models.parts import DETECTOR
from harken.models.spec import ModelSpec
from harken.models.store import ModelStore
from harken.ports import Executor
from harken.ports.residents import Resident, Residents
from harken.service.admin import Admin

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetch:
    """How the fetch of a model goes, or went. Times are seconds since the epoch."""

    name: str
    started: float
    done: int = 0
    """Bytes."""
    total: int = 0
    """Bytes in all; 0 while that is not known."""
    doing: str = ""
    """What is being done, for people."""
    ended: float | None = None
    error: str | None = None
    """Why it failed, for people; None otherwise."""
    cancelled: bool = False
    """Whether it was called off; until it has ended, it is about to."""


@dataclass(frozen=True, slots=True)
class Known:
    """A model of the catalog as it stands."""

    spec: ModelSpec
    installed: Installed | None
    default: bool
    """Whether requests that name no model get it."""
    fetch: Fetch | None
    """The last fetch that was begun by an administrator since the server started."""
    needed: str | None = None
    """Why its files cannot be deleted, for people; None where they can be."""
    recognises: bool = False
    """Whether it recognises speech: such models stay in the memory of workers, and can be loaded ahead."""


@dataclass(frozen=True, slots=True)
class Held:
    """A model in the memory of a worker that is alive."""

    worker: Executor
    resident: Resident


class _CalledOff(Exception):
    """Ends a fetch from within."""


class Models:
    """The use cases. Thread-safe."""

    def __init__(
        self,
        store: ModelStore,
        admin: Admin,
        board: Residents,
        workers: Callable[[], list[tuple[Executor, bool]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Look after the models in ``store``, and those that ``workers``, each alive or not, hold in memory.

        ``admin`` keeps the audit log; ``board`` is where workers find orders.
        """
        self._store = store
        self._admin = admin
        self._board = board
        self._workers = workers
        self._clock = clock
        self._lock = threading.Lock()
        self._fetches: dict[str, Fetch] = {}

    def all(self) -> list[Known]:
        """Everything in the catalog, in its order."""
        installed = {found.name: found for found in self._store.installed()}
        default = self._store.catalog.default.spec.name
        recognisers = {spec.name for spec in self._store.catalog.models()}
        with self._lock:
            fetches = dict(self._fetches)
        return [
            Known(
                spec,
                installed.get(spec.name),
                spec.name == default,
                fetches.get(spec.name),
                _needed(spec.name, default=spec.name == default),
                spec.name in recognisers,
            )
            for spec in self._store.catalog.entries()
        ]

    def model(self, name: str) -> Known:
        """One of them, by any of its names. Raises UnknownModel."""
        spec = self._store.catalog.entry(name)
        return next(known for known in self.all() if known.spec is spec)

    def fetch(self, name: str, by: str) -> Fetch:
        """Begin to fetch a model, unless that is under way; how it goes is in :meth:`model`. Raises UnknownModel."""
        spec = self._store.catalog.entry(name)
        with self._lock:
            known = self._fetches.get(spec.name)
            if known is not None and known.ended is None:
                return known
            begun = self._fetches[spec.name] = Fetch(spec.name, self._clock(), total=spec.size, doing="waiting")
        self._admin.note(by, "model.fetch", spec.name)
        threading.Thread(target=self._fetch, args=(spec.name,), name=f"fetch {spec.name}", daemon=True).start()
        return begun

    def cancel_fetch(self, name: str, by: str) -> None:
        """Call off the fetch of a model, if one is under way; what came is kept for the next. Raises UnknownModel."""
        spec = self._store.catalog.entry(name)
        with self._lock:
            known = self._fetches.get(spec.name)
            if known is None or known.ended is not None or known.cancelled:
                return
            self._fetches[spec.name] = replace(known, cancelled=True)
        self._admin.note(by, "model.cancel_fetch", spec.name)

    def delete(self, name: str, by: str) -> int:
        """Remove a model's files; the bytes freed. Raises UnknownModel, ModelUnavailable, ModelInUse."""
        known = self.model(name)
        if known.needed is not None:
            raise ModelInUse(known.needed, param="model")
        if known.fetch is not None and known.fetch.ended is None:
            raise ModelInUse(f"{known.spec.name} is being fetched; call that off first, or wait", param="model")
        freed = self._store.delete(known.spec.name)
        with self._lock:
            self._fetches.pop(known.spec.name, None)
        self._admin.note(by, "model.delete", known.spec.name, bytes=freed)
        return freed

    def held(self) -> dict[str, list[Held]]:
        """Where each model is in memory, is about to be or could not be, by its name."""
        told = self._board.reported()
        found: dict[str, list[Held]] = {}
        for worker, alive in self._workers():
            for resident in told.get(worker.id, ()) if alive else ():
                found.setdefault(resident.model, []).append(Held(worker, resident))
        return found

    def hold(self, name: str, by: str, *, load: bool) -> None:
        """Have every worker that is alive load a model into memory, fetched first if need be, or let it go.

        They do so between two batches; :meth:`held` tells how it goes. A model that was let go is loaded again by the
        next job that asks for it. Raises UnknownModel, InvalidOption, WorkerUnavailable.
        """
        spec = self._store.catalog.entry(name)
        action = "load" if load else "unload"
        if spec not in self._store.catalog.models():
            raise InvalidOption(
                f"{spec.name} does not recognise speech: who needs it loads it for as long as that takes", param=action
            )
        if not any(alive for _, alive in self._workers()):
            raise WorkerUnavailable("no worker is alive that could do it; start one with harken worker")
        self._board.order(spec.name, load=load)
        self._admin.note(by, f"model.{action}", spec.name)

    def _fetch(self, name: str) -> None:
        def told(done: int, total: int, what: str) -> None:
            if self._note(name, done=done, total=total, doing=what).cancelled:
                raise _CalledOff

        try:
            self._store.fetch(name, told)
        except _CalledOff:
            self._note(name, ended=self._clock())
        except HarkenError as error:
            log.warning("model %s was not fetched: %s", name, error)
            self._note(name, error=error.message, cancelled=False, ended=self._clock())
        except Exception:
            log.exception("model %s was not fetched", name)
            self._note(name, error="the server's log has the details", cancelled=False, ended=self._clock())
        else:
            # It can have been called off too late to matter.
            self._note(name, doing="installed", cancelled=False, ended=self._clock())

    def _note(self, name: str, **change: object) -> Fetch:
        with self._lock:
            noted = self._fetches[name] = replace(self._fetches[name], **change)  # type: ignore[arg-type]
        return noted


def _needed(name: str, *, default: bool) -> str | None:
    """Why a model cannot be deleted."""
    if default:
        return f"{name} is the server's default model; set HARKEN_DEFAULT_MODEL to another first"
    if name == DETECTOR:
        return f"{name} finds the speech in every recording; no job can be done without it"
    return None
