# SPDX-License-Identifier: Apache-2.0
"""Which models each child that recognises holds: those that windows need, and those that an administrator ordered.

Orders are obeyed by each child between two batches. Knows no windows.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from harken.errors import HarkenError
from harken.worker.process import Child, ChildDied
from harken.worker.protocol import Load, ModelRef, Unload

log = logging.getLogger(__name__)

LOAD_SECONDS = 600.0
"""How long a model may take to load."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A model with the children."""

    children: int = 0
    """That hold it."""
    ordered: int = 0
    """That are about to load it."""
    refusal: str = ""
    """Why the last child that was ordered to load it could not; empty when it could."""


@dataclass(slots=True)
class _Hand:
    """What one child holds, the one not used for longest first, and what it is to do."""

    held: OrderedDict[str, ModelRef] = field(default_factory=OrderedDict)
    orders: list[Load | Unload] = field(default_factory=list)


class Holdings:
    """The models of all children of a kind. Each child is dealt with by one thread; orders come from any."""

    def __init__(self, most: int, ahead: Sequence[ModelRef]) -> None:
        """Have each child hold up to ``most`` models, and load those in ``ahead`` when it comes up."""
        self._most = most
        self._lock = threading.Lock()
        self._ahead = OrderedDict((model.key, model) for model in ahead[:most])
        self._first = frozenset(self._ahead)
        self._hands: WeakKeyDictionary[Child, _Hand] = WeakKeyDictionary()
        self._refusals: dict[str, str] = {}

    def begin(self, child: Child) -> None:
        """Have a child that has just come up load what most will ask for, or what was ordered. Raises ChildDied."""
        with self._lock:
            self._hands[child] = _Hand(orders=[Load(model) for model in self._ahead.values()])
        try:
            self.obey(child)
        except ChildDied:
            self.forget(child)
            raise

    def forget(self, child: Child) -> None:
        """A child is gone."""
        with self._lock:
            self._hands.pop(child, None)

    def keys(self, child: Child) -> set[str]:
        """What a child holds."""
        with self._lock:
            return set(self._hands[child].held)

    def need(self, child: Child, model: ModelRef) -> None:
        """Have a child load a model that it does not hold, in the place of one where it must. Raises HarkenError."""
        hand = self._hands[child]
        if model.key not in hand.held:
            while len(hand.held) >= self._most:
                self._drop(child, hand, next(iter(hand.held)))
            child.ask(Load(model), LOAD_SECONDS)
        with self._lock:
            hand.held[model.key] = model
            hand.held.move_to_end(model.key)

    def obey(self, child: Child) -> None:
        """Have a child do what was ordered since. Raises ChildDied."""
        hand = self._hands[child]
        while hand.orders:
            order = hand.orders[0]
            name = order.model.folder.name
            refusal = ""
            try:
                if isinstance(order, Load):
                    self.need(child, order.model)
                elif order.model.key in hand.held:
                    self._drop(child, hand, order.model.key)
            except HarkenError as error:
                refusal = error.message
                log.warning("model %s is not loaded ahead: %s", name, refusal)
            except ChildDied as death:
                self._countermand(order.model, death.how)
                raise
            with self._lock:
                # It may have been countermanded meanwhile.
                if hand.orders and hand.orders[0] is order:
                    hand.orders.pop(0)
                self._refusals[name] = refusal

    def load(self, model: ModelRef) -> None:
        """Have every child load a model, and those that come up later."""
        with self._lock:
            self._ahead.pop(model.key, None)
            while len(self._ahead) >= self._most:
                self._ahead.popitem(last=False)
            self._ahead[model.key] = model
            for hand in self._hands.values():
                hand.orders.append(Load(model))

    def unload(self, name: str) -> None:
        """Have every child give back the memory of a model, however it runs it. Who needs it next loads it again."""
        with self._lock:
            self._ahead = OrderedDict((key, model) for key, model in self._ahead.items() if model.folder.name != name)
            self._refusals.pop(name, None)
            for hand in self._hands.values():
                known = {**hand.held, **{order.model.key: order.model for order in hand.orders}}
                hand.orders += [Unload(model) for model in known.values() if model.folder.name == name]

    def told(self) -> dict[str, Holding]:
        """How each model stands, by the name of its folder."""
        with self._lock:
            # One that left because it had nothing to do took its models with it.
            hands = [hand for child, hand in self._hands.items() if _runs(child)]
            held = [{model.folder.name for model in hand.held.values()} for hand in hands]
            last = [{order.model.folder.name: isinstance(order, Load) for order in hand.orders} for hand in hands]
            names = {*self._refusals, *(name for some in (*held, *last) for name in some)}
            told = {
                name: Holding(
                    sum(name in some for some in held),
                    sum(some.get(name, False) for some in last),
                    self._refusals.get(name, ""),
                )
                for name in names
            }
        return {name: holding for name, holding in told.items() if holding != Holding()}

    def _countermand(self, model: ModelRef, how: str) -> None:
        """Let no other child die of a model that was ordered: whoever needs it will see."""
        with self._lock:
            self._refusals[model.folder.name] = f"a process that was to load it {how}"
            if model.key not in self._first:
                self._ahead.pop(model.key, None)
                for hand in self._hands.values():
                    hand.orders = [order for order in hand.orders if order.model.key != model.key]

    def _drop(self, child: Child, hand: _Hand, key: str) -> None:
        child.ask(Unload(hand.held[key]), LOAD_SECONDS)
        with self._lock:
            del hand.held[key]


def _runs(child: Child) -> bool:
    try:
        child.check()
    except ChildDied:
        return False
    return True
