# SPDX-License-Identifier: Apache-2.0
"""Who works, and what wakes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harken.model import Lane


@dataclass(frozen=True, slots=True)
class Executor:
    """A worker process as it is known to the others."""

    id: str
    """New at every start."""
    host: str
    """Names one kernel and the processes it shows; empty where that is not known."""
    pid: int
    born: int
    """When the kernel started the process, in its own ticks, which tells it from a later one with the same ``pid``."""
    silence: float = 0.0
    """Seconds since its last heartbeat, by the database's clock."""
    lanes: tuple[Lane, ...] | None = None
    """The lanes that it takes from; None is all."""
    models: tuple[str, ...] | None = None
    """The models whose recordings it takes, by canonical name; None is all."""

    def serves(self, lane: Lane, model: str | None) -> bool:
        """Whether it takes what waits in a lane for a model; ``None`` needs no model, or says none."""
        return (self.lanes is None or lane in self.lanes) and (
            model is None or self.models is None or model in self.models
        )


class Roster(Protocol):
    """Which workers are alive, and who does what only one of them should do."""

    def beat(self, executor: Executor) -> None:
        """Say that the executor is alive, now."""

    def leave(self, executor_id: str) -> None:
        """Forget an executor."""

    def executors(self) -> list[Executor]:
        """Everyone who has not left."""

    def take_duty(self, name: str, every: float) -> bool:
        """Whether the caller shall do ``name`` now: true for one caller in ``every`` seconds, whoever asks."""


class Bell(Protocol):
    """Wakes a worker when there may be something in the queue. Used by one thread."""

    def wait(self, seconds: float) -> bool:
        """Wait at most so long for the database to change; whether it did."""

    def waiting(self) -> set[tuple[Lane, str | None]]:
        """The lanes that jobs or stages wait in, each with the model that they wait for; None for those of any."""

    def close(self) -> None:
        """Give the connection back."""
