# SPDX-License-Identifier: Apache-2.0
"""Mixed traffic: what it is judged by, callers that fail, and the shortest run over a real server and worker."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harken.bench.load import Extent
from harken.bench.load_figures import Load, Spread, Turns, growth, jain, slope, targets
from harken.bench.load_report import load
from harken.bench.traffic import LEAST, Calls, calling
from harken.errors import HarkenError
from harken.models.store import ModelStore

IDLE = Spread(20, 0.3, 0.4, 0.5)
GOOD = Load(
    workers=1,
    idle=IDLE,
    idle_jobs=IDLE,
    busy=Spread(60, 0.4, 0.9, 1.0),
    busy_jobs=Spread(60, 0.4, 0.8, 1.0),
    alone=20.0,
    mixed=15.0,
    fairness=0.98,
    health=Spread(900, 0.002, 0.005, 0.010),
    submissions=Spread(180, 0.02, 0.04, 0.09),
)
FAIR = Turns(alone=6.0, beside=13.0, files=50)


def test_percentiles() -> None:
    assert Spread.of([float(value) for value in range(101)]) == Spread(101, 50.0, 95.0, 99.0)


@pytest.mark.parametrize(
    ("shares", "index"), [([5.0, 5.0, 5.0], 1.0), ([9.0, 0.0, 0.0], 1 / 3), ([2.0, 1.0], 0.9), ([0.0, 0.0], 1.0)]
)
def test_fairness_of_shares(shares: list[float], index: float) -> None:
    assert jain(shares) == pytest.approx(index)


def test_what_grows_in_lumps_has_the_rate_of_the_whole() -> None:
    times = [step / 4 for step in range(200)]
    assert slope(times, [20.0 * time for time in times]) == pytest.approx(20.0)
    lumps = [60.0 * (time // 3) for time in times]
    assert slope(times, lumps) == pytest.approx(20.0, rel=0.02)


def test_growth_is_told_against_so_many_times_the_least() -> None:
    two, four = replace(GOOD, workers=2, alone=38.0), replace(GOOD, workers=4, alone=40.0)
    assert [share for _, share in growth([GOOD, two, four])] == pytest.approx([0.95, 0.5])


def _missed(loads: list[Load], turns: Turns = FAIR, cores: int = 2) -> list[str]:
    return [target.name for target in targets(loads, turns, cores) if not target.reached]


def test_what_is_as_it_is_to_be_is_reached() -> None:
    # More workers than cores need not be faster.
    assert _missed([GOOD, replace(GOOD, workers=2, alone=36.1), replace(GOOD, workers=4, alone=37.0)]) == []


@pytest.mark.parametrize(
    ("bad", "missed"),
    [
        (replace(GOOD, busy=Spread(60, 0.4, 0.91, 1.0)), "a 5 s clip while long files run, p95"),
        (replace(GOOD, busy_jobs=Spread(60, 0.4, 0.91, 1.0)), "a 5 s clip while long files run, p95"),
        (replace(GOOD, health=Spread(900, 0.002, 0.005, 0.1)), "health checks, p99"),
        (replace(GOOD, submissions=Spread(180, 0.02, 0.04, 0.11)), "submissions, p99"),
    ],
)
def test_a_miss_with_any_number_of_workers_is_told(bad: Load, missed: str) -> None:
    assert _missed([replace(bad, workers=4), GOOD]) == [missed]


def test_workers_that_hold_each_other_up_and_unfair_turns_are_told() -> None:
    assert _missed([GOOD, replace(GOOD, workers=2, alone=35.0)]) == ["throughput with 2 workers"]
    assert _missed([GOOD], replace(FAIR, beside=20.0)) == ["one file beside 50 of another account"]


def test_callers_whom_nobody_answers_are_an_error(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    silence.write_bytes(b"nothing")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with calling(Calls(url, silence=str(silence))) as traffic, pytest.raises(HarkenError, match="status 1"):
            traffic.end()


@pytest.mark.usefixtures("base_model", "vad_model", "sample_wav", "two_cities_wav")
def test_a_short_run(model_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARKEN_MODELS_DIR", str(model_store.root))
    monkeypatch.setattr("harken.bench.load.CANDIDATES", 2)
    extent = Extent(
        idle=0, settle=0, alone=0, mixed=0, pause=0, long=150, files=(3, 1, 1), turn=61, others=5
    )  # everything is done as often as must be
    found = tmp_path / "found.json"
    console = Console(width=200, record=True)
    load(model_store, console, workers=[1], extent=extent, json_file=found)
    report = json.loads(found.read_text(encoding="utf-8"))
    [measured] = report["loads"]
    for name in ("idle", "idle_jobs", "busy", "busy_jobs", "health", "submissions"):
        assert measured[name]["count"] >= LEAST
        assert 0 < measured[name]["p50"] <= measured[name]["p99"]
    assert report["turns"]["beside"] > 0
    assert report["settings"]["database"] == "sqlite"
    assert len(report["targets"]) == 4, "one worker does not grow"
    told = console.export_text()
    for name in ("clip, idle", "Jain's index", "health checks, p99", "one file beside 5 of another account"):
        assert name in told
