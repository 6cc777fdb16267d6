# SPDX-License-Identifier: Apache-2.0
"""Measuring memory: a long recording that is streamed, and the peak of a whole tree of processes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from harken.bench import material
from harken.bench.measure import Taken
from harken.bench.memory import Peak, make_long, peak, targets
from harken.model import SAMPLE_RATE

NOTHING = Taken(1.0, 1.0, None, ())


def test_a_long_recording_repeats_the_speech_with_pauses(two_cities_wav: Path, tmp_path: Path) -> None:
    speech = material.read(two_cities_wav)[: 3 * SAMPLE_RATE]
    tracemalloc.start()
    make_long(tmp_path / "long.opus", speech, 120.0)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    heard = material.read(tmp_path / "long.opus")
    assert len(heard) / SAMPLE_RATE == pytest.approx(120.0, abs=0.1)
    loud = np.array([np.abs(heard[at : at + 1600]).max() for at in range(0, len(heard) - 1600, 1600)]) > 0.05
    # Speech to the end, and pauses of which the longest is four seconds.
    assert loud[-100:].any()
    quiet = max(len(run) for run in "".join("x" if value else "." for value in loud).split("x"))
    assert 35 <= quiet <= 60
    # All of it in memory would be 7.7 MB.
    assert most < 1_500_000


@pytest.mark.usefixtures("base_model", "vad_model")
def test_the_peak_is_of_every_process_of_the_worker(models_dir: Path, beckett_wav: Path) -> None:
    found = peak(beckett_wav, 10.0, warm_up=beckett_wav, models_dir=models_dir, model="base", children=1)
    assert "fail better" in found.taken.texts[0].lower()
    # The parent, one that recognises and two that read.
    assert found.processes == 4
    # The weights alone are 75 MB as int8.
    assert 150e6 < found.pss <= found.rss


def test_targets() -> None:
    def of(rss: float) -> Peak:
        return Peak(600.0, int(rss), int(rss), 4, NOTHING)

    assert [target.reached for target in targets(of(900e6), of(990e6))] == [True, True]
    assert [target.reached for target in targets(of(900e6), of(1e9))] == [False, False]
    assert [target.reached for target in targets(of(500e6), of(600e6))] == [True, False]
