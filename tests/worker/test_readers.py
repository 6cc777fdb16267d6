# SPDX-License-Identifier: Apache-2.0
"""Headers read in children: where none starts or one hangs, the caller hears of it."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.worker.conftest import eventually, seam

from harken.errors import CorruptMedia, WorkerUnavailable
from harken.model import Lane, Options
from harken.worker.process import ChildSettings
from harken.worker.protocol import Plan, Planned
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
        assert not readers._waiting, "who gave up is forgotten"
    finally:
        readers.close()


def test_a_second_child_takes_no_memory_for_decoders_until_the_first_is_held_up(
    tmp_path: Path, beckett_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harken.worker.readers._SPARE_WAITED", 600.0)
    readers = Readers(2, ChildSettings("harken-probe"), pytest.fail)
    try:
        assert eventually(lambda: len(readers.crew.pids()) == 2)
        for _ in range(5):
            assert readers.probe(beckett_wav).duration == pytest.approx(9.98, abs=0.1)
        assert [_decodes(pid) for pid in readers.crew.pids()].count(True) == 1
        os.mkfifo(tmp_path / "hanging")
        with ThreadPoolExecutor(1) as threads:
            hung = threads.submit(readers.probe, tmp_path / "hanging")
            assert eventually(lambda: not readers._waiting)
            monkeypatch.setattr("harken.worker.readers._SPARE_WAITED", 0.0)
            assert readers.probe(beckett_wav).channels == 1
            assert [_decodes(pid) for pid in readers.crew.pids()] == [True, True]
            readers.close()
            with pytest.raises(WorkerUnavailable, match="stopping"):
                hung.result(60)
    finally:
        readers.close()


def test_chapters_that_nobody_waits_for_leave_one_child_to_the_others(
    tmp_path: Path, beckett_wav: Path, vad_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harken.worker.readers._RESERVED", 600.0)
    readers = Readers(2, ChildSettings("harken-reader"), pytest.fail)

    def plan(path: Path) -> Future[Planned]:
        return readers.plan(Plan(path.name, path, Options(), vad_model, 0.0, 1, tmp_path / "samples"), Lane.BATCH)

    try:
        os.mkfifo(tmp_path / "hanging")
        hung = plan(tmp_path / "hanging")
        assert eventually(lambda: not readers._waiting)
        second = plan(beckett_wav)
        assert readers.probe(beckett_wav).channels == 1
        assert not second.done()
        monkeypatch.setattr("harken.worker.readers._RESERVED", 0.0)
        assert second.result(60).windows, "yet it is not held up for ever"
    finally:
        readers.close()
    with pytest.raises(WorkerUnavailable, match="stopping"):
        hung.result(60)


def test_where_the_prepared_child_dies_another_is_prepared(beckett_wav: Path) -> None:
    readers = Readers(2, ChildSettings("harken-probe"), pytest.fail)
    try:
        assert eventually(lambda: any(_decodes(pid) for pid in readers.crew.pids()))
        [first] = [pid for pid in readers.crew.pids() if _decodes(pid)]
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: any(_decodes(pid) for pid in readers.crew.pids() if pid != first))
        assert readers.probe(beckett_wav).channels == 1
    finally:
        readers.close()


def _decodes(pid: int) -> bool:
    """Whether a process has loaded FFmpeg."""
    try:
        return "libavcodec" in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    except OSError:
        return False
