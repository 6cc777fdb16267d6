# SPDX-License-Identifier: Apache-2.0
"""A worker's ear for an administrator's orders: models are loaded and let go as they say, and what is held is told.

Orders from before the worker started are none of its business. Knows the board of orders, and no database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from harken.errors import HarkenError, JobCancelled
from harken.model import Options
from harken.ports.residents import ModelOrder, Resident, Residents, ResidentState
from harken.worker.holdings import Holdings
from harken.worker.weights import Weights

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks at the orders."""
AGAIN = 15.0
"""Seconds after which what is held is told again: whoever was taken for dead has been forgotten with all it said."""


class Residency:
    """The thread that listens, from :meth:`start` to :meth:`stop`.

    Args:
        board: where orders are given and told of.
        executor_id: which worker this is, on the roster.
        holdings: what its children hold.
        weights: finds models, and has them fetched.
        serves: whether the worker does jobs of a model; orders for others are not its own.
        interval: seconds between two looks.
    """

    def __init__(
        self,
        board: Residents,
        executor_id: str,
        holdings: Holdings,
        weights: Weights,
        serves: Callable[[str], bool] = lambda _: True,
        interval: float = INTERVAL,
    ) -> None:
        self._board = board
        self._executor_id = executor_id
        self._holdings = holdings
        self._weights = weights
        self._serves = serves
        self._interval = interval
        self._lock = threading.Lock()
        self._obeyed: dict[str, int] = {}
        self._fetching: set[str] = set()
        self._refused: dict[str, str] = {}
        self._told: Sequence[Resident] | None = None
        self._said = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="residency", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._obeyed = {order.model: order.serial for order in self._board.orders()}
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for order in self._board.orders():
                    if order.serial > self._obeyed.get(order.model, 0):
                        self._obey(order)
                self._tell()
            except Exception as error:
                # The database's troubles end, and whoever beats says that there are some.
                log.debug("no orders of models could be read", exc_info=error)
            self._stopping.wait(self._interval)

    def _obey(self, order: ModelOrder) -> None:
        with self._lock:
            self._obeyed[order.model] = order.serial
            self._refused.pop(order.model, None)
            self._fetching.discard(order.model)
            if not order.load:
                self._holdings.unload(order.model)
                return
            if not self._serves(order.model):
                return
            self._fetching.add(order.model)
        # It may have to be fetched first, which takes as long as it takes.
        threading.Thread(target=self._load, args=(order,), name=f"load {order.model}", daemon=True).start()

    def _load(self, order: ModelOrder) -> None:
        def off() -> bool:
            return self._stopping.is_set() or self._obeyed[order.model] != order.serial

        refusal = None
        try:
            model = self._weights.model(Options(model=order.model), off, self._interval)
            with self._lock:
                if not off():
                    self._holdings.load(model)
        except JobCancelled:
            pass
        except HarkenError as error:
            refusal = error.message
        except Exception:
            log.exception("model %s cannot be loaded", order.model)
            refusal = "the worker's log has the details"
        with self._lock:
            if self._obeyed[order.model] == order.serial:
                self._fetching.discard(order.model)
                if refusal is not None:
                    self._refused[order.model] = refusal

    def _tell(self) -> None:
        with self._lock:
            fetching, refused = set(self._fetching), dict(self._refused)
        held = self._holdings.told()
        told = []
        for name in sorted({*held, *fetching, *refused}):
            holding = held.get(name)
            processes = 0 if holding is None else holding.children
            refusal = refused.get(name) or (holding.refusal if holding is not None else "")
            if name in fetching or (holding is not None and holding.ordered):
                told.append(Resident(name, ResidentState.LOADING, processes))
            elif refusal:
                told.append(Resident(name, ResidentState.FAILED, processes, refusal))
            else:
                told.append(Resident(name, ResidentState.LOADED, processes))
        news = told != self._told or time.monotonic() - self._said > AGAIN
        if news and self._board.report(self._executor_id, told):
            self._told, self._said = told, time.monotonic()
