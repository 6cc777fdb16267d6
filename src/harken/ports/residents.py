# SPDX-License-Identifier: Apache-2.0
"""Which models workers hold in memory, and an administrator's orders to load them and to let them go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ResidentState(StrEnum):
    """How a model stands with a worker."""

    LOADING = "loading"
    """Some of its processes are about to load it, or it is fetched first."""
    LOADED = "loaded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Resident:
    """A model with a worker."""

    model: str
    """Canonical name in the catalog."""
    state: ResidentState
    processes: int = 0
    """Processes of the worker that hold it."""
    detail: str = ""
    """Why it could not be loaded, for people."""


@dataclass(frozen=True, slots=True)
class ModelOrder:
    """The last order that concerns a model."""

    model: str
    """Canonical name in the catalog."""
    load: bool
    """Whether to load it; else, to let it go."""
    serial: int
    """Of this model's orders, each has the next one."""


class Residents(Protocol):
    """The board with the orders and what workers say. Orders are for the workers that are alive when they are given."""

    def order(self, model: str, *, load: bool) -> int:
        """Have every worker load a model, or let it go. Returns the order's serial."""

    def orders(self) -> list[ModelOrder]:
        """The last order of each model."""

    def report(self, executor_id: str, held: Sequence[Resident]) -> bool:
        """Say which models a worker holds; False when the worker is on no roster, and nothing was written."""

    def reported(self) -> Mapping[str, Sequence[Resident]]:
        """What every worker on the roster said last, by its id."""
