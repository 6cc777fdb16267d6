# SPDX-License-Identifier: Apache-2.0
"""Headers read in children: where none starts or one hangs, the caller hears of it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.worker.conftest import seam

from harken.errors import CorruptMedia, WorkerUnavailable
from harken.worker.process import ChildSettings
from harken.worker.readers import Readers


def test_headers_are_refused_while_no_child_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seam(monkeypatch)
    failures: list[str] = []
    readers = Readers(1, ChildSettings("harken-probe", natives="tests.worker.stillborn_natives"), failures.append)
    try:
        with ThreadPoolExecutor(1) as threads:
            early = threads.submit(readers.probe, tmp_path / "early")
            with pytest.raises(WorkerUnavailable, match="cannot be started: it left with exit code 3"):
                early.result(60)
        assert readers.crew.failure is not None
        with pytest.raises(WorkerUnavailable, match="cannot be started"):
            readers.probe(tmp_path / "late")
    finally:
        readers.close()
    assert failures == [readers.crew.failure], "said once"


def test_headers_that_hang_a_child_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harken.worker.readers.PROBE_SECONDS", 1.0)
    readers = Readers(1, ChildSettings("harken-probe"), pytest.fail)
    hanging = tmp_path / "hanging"
    os.mkfifo(hanging)  # opening it waits for a writer
    try:
        with pytest.raises(CorruptMedia, match="hung on them"):
            readers.probe(hanging)
    finally:
        readers.close()


def test_headers_that_take_too_long_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harken.worker.readers.ANSWER_SECONDS", 0.2)
    readers = Readers(1, ChildSettings("harken-probe"), pytest.fail)
    os.mkfifo(tmp_path / "hanging")
    try:
        for _ in range(2):
            with pytest.raises(WorkerUnavailable, match="not read within"):
                readers.probe(tmp_path / "hanging")
    finally:
        readers.close()
