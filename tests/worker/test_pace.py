# SPDX-License-Identifier: Apache-2.0
"""How far planning is ahead of recognition: not far, unless somebody waits, and never so little that there is none."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.worker.conftest import ENGLISH, InThread, MakeRig, eventually

from harken.model import Lane
from harken.worker.pace import Pace


def test_planning_stops_when_enough_is_there() -> None:
    waiting = 0
    waiters: set[str] = set()
    pace = Pace(10, lambda: waiting, waiters.__contains__)
    first = pace.begin("me", 8)
    second = pace.begin("me", 8)
    assert first is not None
    assert second is not None
    assert pace.begin("me", 1) is None
    first.come()
    first.come()
    waiting = 1
    third = pace.begin("me", 1)
    assert third is not None
    assert pace.begin("me", 1) is None, "eight are coming, one comes, and one waits"
    second.come()
    third.come()
    waiters.add("me")
    waiting = 10
    assert pace.begin("me", 1) is None


def test_a_caller_who_has_nothing_there_is_not_kept_waiting() -> None:
    waiters = {"many"}
    pace = Pace(10, lambda: 100, waiters.__contains__)
    assert pace.begin("many", 16) is None
    coming = pace.begin("one", 16)
    assert coming is not None
    assert pace.begin("one", 16) is None, "the first are on their way"
    coming.come()
    assert pace.begin("one", 16) is not None


def test_nothing_is_planned_ahead_of_what_waits_already(
    make_rig: MakeRig, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(batch_size=1)
    runtime = rig.runtime
    planned: list[str] = []
    refused: list[str] = []
    plan, begin = runtime._readers.plan, runtime._pace.begin

    def planning(request: Any, lane: Lane) -> Any:
        planned.append(request.job)
        return plan(request, lane)

    def beginning(caller: str, windows: int) -> Any:
        coming = begin(caller, windows)
        if coming is None:
            refused.append(caller)
        return coming

    monkeypatch.setattr(runtime._readers, "plan", planning)
    monkeypatch.setattr(runtime._pace, "begin", beginning)
    (engine,) = rig.engines()
    os.kill(engine, signal.SIGSTOP)
    try:
        jobs = [InThread(lambda n=n: rig.run(recording, f"job{n}", ENGLISH)) for n in range(6)]  # type: ignore[misc]
        assert eventually(lambda: len(refused) > 20 and len(set(planned)) == len(jobs))
        # One opening each; one more chapter at most while there was less than enough.
        ahead = len(planned) - len(jobs)
        assert ahead <= 1, planned
        waits = InThread(lambda: rig.run(recording, "waited for", ENGLISH, lane=Lane.INTERACTIVE))
        assert eventually(lambda: planned.count("waited for") == 2)
    finally:
        os.kill(engine, signal.SIGCONT)
    texts = {job.result().text for job in (*jobs, waits)}
    assert len(texts) == 1
