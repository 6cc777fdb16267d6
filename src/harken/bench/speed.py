# SPDX-License-Identifier: Apache-2.0
"""How fast harken is beside faster-whisper on the same weights: scenarios, rounds, medians, ratios and targets.

Every engine of a scenario is measured once a round, one after the other, so that a machine that slows down slows all of
them; medians are taken over rounds and compared within one scenario only.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harken.bench.engines import EngineName
from harken.bench.material import Clip
from harken.bench.measure import Taken, Work, run
from harken.bench.scoring import Score, score
from harken.bench.targets import Target

OURS: EngineName = "harken"
SEQUENTIAL: EngineName = "faster-whisper"
BATCHED: EngineName = "faster-whisper batched"

LONG = "long file, 1 thread"
TWO = "long file twice at once, 1 thread each"
CLIPS = "short clips at once, 2 threads"


@dataclass(frozen=True, slots=True)
class Plan:
    """How one engine does one scenario: the recordings of each process, and its threads or worker's children."""

    engine: EngineName
    processes: tuple[tuple[Clip, ...], ...]
    threads: int = 1
    children: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """The same recordings for every engine."""

    name: str
    plans: tuple[Plan, ...]

    @property
    def seconds(self) -> float:
        """Seconds of audio that each engine hears."""
        return sum(clip.duration for clip_list in self.plans[0].processes for clip in clip_list)


@dataclass(frozen=True, slots=True)
class Row:
    """One engine's medians over the rounds of one scenario, in seconds."""

    engine: EngineName
    wall: float
    cpu: float
    first: float | None
    score: Score | None
    """Of the last round; None where no reference is known."""


@dataclass(frozen=True, slots=True)
class Table:
    """One scenario's rows."""

    scenario: str
    seconds: float
    rows: tuple[Row, ...]

    def ratio(self, engine: EngineName, other: EngineName) -> float:
        """How many times faster ``engine`` is, by the wall clock."""
        return self._row(other).wall / self._row(engine).wall

    def row(self, engine: EngineName) -> Row:
        """The engine's row."""
        return self._row(engine)

    def _row(self, engine: EngineName) -> Row:
        return next(row for row in self.rows if row.engine == engine)


def scenarios(long: Clip, clips: Sequence[Clip]) -> list[Scenario]:
    """The three comparisons of ENGINE's figures: one long file, two at once, many short clips at once.

    With two threads, harken works as its server does, by a worker with two recognisers of one thread; faster-whisper
    takes clips one by one with two threads.
    """
    everyone: tuple[EngineName, ...] = ("harken", "harken fast", SEQUENTIAL, BATCHED)
    return [
        Scenario(LONG, tuple(Plan(engine, ((long,),)) for engine in everyone)),
        Scenario(TWO, tuple(Plan(engine, ((long,), (long,))) for engine in everyone)),
        Scenario(
            CLIPS,
            (
                Plan("harken", (tuple(clips),), children=2),
                Plan("harken fast", (tuple(clips),), children=2),
                Plan(SEQUENTIAL, (tuple(clips),), threads=2),
            ),
        ),
    ]


def measure(
    plan: Scenario,
    *,
    rounds: int,
    models_dir: Path,
    model: str,
    warm_up: Clip,
    language: str | None,
    progress: Callable[[str], None] = lambda _: None,
) -> Table:
    """Run a scenario.

    Args:
        plan: what each engine does.
        rounds: how often; the engines take turns.
        models_dir: folder of the installed models.
        model: any name of the catalog.
        warm_up: what each process hears before it is timed.
        language: what the engines are told; None has them detect it.
        progress: called with a line for people before each measurement.
    """
    taken: dict[EngineName, list[list[Taken]]] = {item.engine: [] for item in plan.plans}
    for number in range(rounds):
        for item in plan.plans:
            progress(f"{plan.name}: round {number + 1} of {rounds}, {item.engine}")
            works = [
                Work(
                    engine=item.engine,
                    models_dir=str(models_dir),
                    model=model,
                    warm_up=str(warm_up.path),
                    recordings=tuple(str(clip.path) for clip in clips),
                    language=language,
                    threads=item.threads,
                    children=item.children,
                )
                for clips in item.processes
            ]
            taken[item.engine].append(run(works))
    return Table(plan.name, plan.seconds, tuple(_row(item, taken[item.engine]) for item in plan.plans))


def targets(tables: Sequence[Table]) -> list[Target]:
    """What the default mode is to reach, and whether it did."""
    found = []
    by_name = {table.scenario: table for table in tables}
    for name in (LONG, TWO):
        if name in by_name:
            found.append(_ratio(by_name[name], SEQUENTIAL, 2.0))
            found.append(_ratio(by_name[name], BATCHED, 1.4))
    if CLIPS in by_name:
        found.append(_ratio(by_name[CLIPS], SEQUENTIAL, 4.0))
    if LONG in by_name and (first := by_name[LONG].row(OURS).first) is not None:
        found.append(Target("first segment of the long file", "under 1.5 s", f"{first:.2f} s", first < 1.5))
    return found


def _ratio(table: Table, other: EngineName, wanted: float) -> Target:
    ratio = table.ratio(OURS, other)
    return Target(f"{table.scenario}: against {other}", f"{wanted:.1f}x", f"{ratio:.2f}x", ratio >= wanted)


def _row(plan: Plan, rounds: Sequence[Sequence[Taken]]) -> Row:
    firsts = [taken.first for processes in rounds for taken in processes if taken.first is not None]
    pairs = [
        (clip, text)
        for clips, taken in zip(plan.processes, rounds[-1], strict=True)
        for clip, text in zip(clips, taken.texts, strict=True)
        if clip.text is not None
    ]
    scores = [score(clip.text or "", text, clip.language) for clip, text in pairs]
    return Row(
        engine=plan.engine,
        # Processes start at one instant, so the scenario ends with the last of them.
        wall=statistics.median(max(taken.wall for taken in processes) for processes in rounds),
        cpu=statistics.median(sum(taken.cpu for taken in processes) for processes in rounds),
        first=statistics.median(firsts) if firsts else None,
        score=sum(scores, Score()) if scores else None,
    )
