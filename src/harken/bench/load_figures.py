# SPDX-License-Identifier: Apache-2.0
"""What mixed traffic is judged by: how long short recordings take, how much of the long ones is done, and for whom.

Pure arithmetic on what was measured. Knows no server.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harken.bench.server import percentile
from harken.bench.targets import Target

SLOWER = 3.0
"""Times its time on an idle server that a short clip may take at the 95th percentile while long files run."""
LINEAR = 0.9
"""Of so many workers times what one does, as long as there is a core for each."""
ANSWER = 0.100
"""Seconds in which 99 of 100 health checks and submissions must be answered."""
BESIDE = 3.0
"""Times what it takes alone that an account's one file may take beside fifty of another; fair turns make it twice."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, over many times; seconds."""

    count: int
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of two values or more."""
        found = list(values)
        return cls(len(found), statistics.median(found), percentile(found, 95), percentile(found, 99))


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured with so many workers."""

    workers: int
    idle: Spread
    """Of clips that are waited for, with nothing else to do; ``idle_jobs`` of the same as jobs."""
    idle_jobs: Spread
    busy: Spread
    """The same while long files take all that is left."""
    busy_jobs: Spread
    alone: float
    """Seconds of the long files that are done in a second, without clips."""
    mixed: float
    """The same with them."""
    fairness: float
    """Jain's index of what each account with long files got."""
    health: Spread
    submissions: Spread

    @property
    def slower(self) -> float:
        """How much longer a clip takes under load: the 95th percentile over the idle median, of the worse kind."""
        return max(self.busy.p95 / self.idle.p50, self.busy_jobs.p95 / self.idle_jobs.p50)


@dataclass(frozen=True, slots=True)
class Turns:
    """One file of one account, alone and beside many of another; seconds until it is done."""

    alone: float
    beside: float
    files: int
    """Of the other account, which came first."""


def jain(shares: Sequence[float]) -> float:
    """Jain's fairness index: 1 when all have the same, one over their number when one has all."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """How fast values grow, by least squares: steps that come in lumps count where they are, not at the ends alone."""
    return statistics.linear_regression(times, values).slope


def growth(loads: Sequence[Load]) -> list[tuple[Load, float]]:
    """Throughput with more workers than the least, over that of the least times as many."""
    first = min(loads, key=lambda load: load.workers)
    per_worker = first.alone / first.workers
    return [(load, load.alone / (load.workers * per_worker)) for load in loads if load.workers > first.workers]


def targets(loads: Sequence[Load], turns: Turns, cores: int) -> list[Target]:
    """What it is to be, and whether it is."""
    slowest = max(loads, key=lambda load: load.slower)
    found = [
        Target(
            "a 5 s clip while long files run, p95",
            f"{SLOWER:.0f}x its idle time at most",
            f"{slowest.slower:.1f}x with {slowest.workers} workers",
            slowest.slower <= SLOWER,
        )
    ]
    found.extend(
        Target(
            f"throughput with {load.workers} workers",
            f"{LINEAR:.1f}x linear",
            f"{share:.2f}x linear",
            share >= LINEAR,
        )
        for load, share in growth(loads)
        if load.workers <= cores
    )
    for name, spreads in (
        ("health checks", [load.health for load in loads]),
        ("submissions", [load.submissions for load in loads]),
    ):
        worst = max(spread.p99 for spread in spreads)
        found.append(Target(f"{name}, p99", f"under {1000 * ANSWER:.0f} ms", f"{1000 * worst:.0f} ms", worst < ANSWER))
    ratio = turns.beside / turns.alone
    found.append(
        Target(
            f"one file beside {turns.files} of another account",
            f"{BESIDE:.0f}x what it takes alone at most",
            f"{ratio:.1f}x",
            ratio <= BESIDE,
        )
    )
    return found
