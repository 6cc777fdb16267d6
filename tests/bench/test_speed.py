# SPDX-License-Identifier: Apache-2.0
"""The speed comparison: turns, medians, ratios, targets; and one real measurement in a process of its own."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from harken.bench import speed, speed_report
from harken.bench.engines import EngineName
from harken.bench.material import Clip
from harken.bench.measure import Taken, Work, run
from harken.bench.scoring import Score
from harken.bench.speed import CLIPS, LONG, TWO, Row, Scenario, Table, measure, scenarios, targets
from harken.bench.targets import target_lines
from harken.errors import HarkenError

LONG_CLIP = Clip(Path("long.wav"), 100.0, "cats sit still", "en")
SHORT = [Clip(Path(f"{number}.wav"), 5.0, "cats", "en") for number in range(3)]


def table(name: str, **walls: float) -> Table:
    names: dict[str, EngineName] = {
        "ours": "harken",
        "sequential": "faster-whisper",
        "batched": "faster-whisper batched",
    }
    return Table(name, 100.0, tuple(Row(names[key], wall, wall, 1.0, None) for key, wall in walls.items()))


def test_every_engine_hears_the_same() -> None:
    long, two, clips = scenarios(LONG_CLIP, SHORT)
    assert [item.seconds for item in (long, two, clips)] == [100.0, 200.0, 15.0]
    for scenario in (long, two, clips):
        heard = [sorted(str(clip.path) for part in plan.processes for clip in part) for plan in scenario.plans]
        assert all(paths == heard[0] for paths in heard)
        # The same processor for everyone.
        assert len({len(plan.processes) * max(plan.threads, plan.children) for plan in scenario.plans}) == 1


def test_engines_take_turns_and_medians_are_of_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    walls = {"harken": [3.0, 9.0, 4.0], "faster-whisper": [10.0, 12.0, 30.0]}

    def fake(works: list[Work]) -> list[Taken]:
        turns.append(works[0].engine)
        wall = walls[works[0].engine][turns.count(works[0].engine) - 1]
        return [Taken(wall - number, wall, 0.5 + number, ("cats sit",)) for number, _ in enumerate(works)]

    monkeypatch.setattr(speed, "run", fake)
    _, two, _ = scenarios(LONG_CLIP, SHORT)
    plans = tuple(plan for plan in two.plans if plan.engine in walls)
    found = measure(
        Scenario(two.name, plans),
        rounds=3,
        models_dir=Path("models"),
        model="base",
        warm_up=SHORT[0],
        language=None,
    )
    assert turns == ["harken", "faster-whisper"] * 3
    ours = found.row("harken")
    # The slower of two processes counts, and the processor time of both.
    assert (ours.wall, ours.cpu, ours.first) == (4.0, 8.0, 1.0)
    assert ours.score == Score(6, 0, 2, 0)
    assert found.ratio("harken", "faster-whisper") == 3.0


def test_targets_are_judged_by_scenario() -> None:
    met = [
        table(LONG, ours=10, sequential=20, batched=14),
        table(TWO, ours=10, sequential=20, batched=14),
        table(CLIPS, ours=10, sequential=40),
    ]
    assert [target.reached for target in targets(met)] == [True] * 6
    missed = [
        table(LONG, ours=10, sequential=19.9, batched=13.9),
        table(TWO, ours=10, sequential=19.9, batched=13.9),
        table(CLIPS, ours=10, sequential=39.9),
    ]
    assert [target.reached for target in targets(missed)] == [False] * 5 + [True]
    slow_start = Table(LONG, 100.0, tuple(Row(row.engine, row.wall, row.cpu, 1.5, None) for row in met[0].rows))
    assert [target.reached for target in targets([slow_start])] == [True, True, False]


def test_the_report_says_what_was_not_reached() -> None:
    tables = [table(LONG, ours=10, sequential=15, batched=14)]
    console = Console(file=StringIO(), width=120)
    console.print(speed_report.speed_table(tables[0]))
    console.print(target_lines(targets(tables)))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "1.50" in text
    assert "NOT REACHED  long file, 1 thread: against faster-whisper: wanted 2.0x, measured 1.50x" in text
    assert "reached      long file, 1 thread: against faster-whisper batched: wanted 1.4x, measured 1.40x" in text
    found = json.loads(json.dumps(speed_report.speed_json(tables, targets(tables), {"rounds": 1})))
    assert found["scenarios"][0]["rows"][0]["wall"] == 10
    assert [target["reached"] for target in found["targets"]] == [False, True, True]


def work(engine: EngineName, models_dir: Path, *recordings: Path, children: int = 0) -> Work:
    paths = tuple(map(str, recordings))
    return Work(engine, str(models_dir), "base", str(recordings[0]), paths, language="en", children=children)


@pytest.mark.usefixtures("base_model", "vad_model")
def test_engines_are_measured_in_processes_of_their_own(models_dir: Path, beckett_wav: Path) -> None:
    begun: list[int] = []
    works = [
        work("harken", models_dir, beckett_wav),
        work("harken fast", models_dir, beckett_wav, beckett_wav, children=1),
    ]
    one, two = run(works, begun.extend)
    assert len(set(begun)) == 2
    assert "fail better" in one.texts[0].lower()
    assert 0 < (one.first or 0) <= one.wall
    assert one.cpu > 0
    # The worker's processes count too: the measured one itself only waits.
    assert two.cpu > 0.5
    assert two.first is None
    assert len(two.texts) == 2
    assert two.texts[0] == two.texts[1]


def test_a_process_that_dies_is_told(beckett_wav: Path, tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match="harken ended with status 1"):
        run([work("harken", tmp_path, beckett_wav)])
