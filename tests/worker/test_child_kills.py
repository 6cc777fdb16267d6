# SPDX-License-Identifier: Apache-2.0
"""Children that are killed, hang or crash in the middle of real recordings: the text does not change, others go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.worker.conftest import ENGLISH, POISONED, Heard, InThread, MakeRig, Pcm, Rig, eventually, gone, seam, write

from harken.errors import RecogniserCrashed, WorkerUnavailable
from harken.model import SAMPLE_RATE
from harken.worker.runtime import Runtime, RuntimeSettings
from harken.worker.weights import Weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def undisturbed(weights: Weights, recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """The recording, when nothing is killed."""
    runtime = Runtime(RuntimeSettings(scratch=tmp_path_factory.mktemp("scratch")), weights, pytest.fail)
    try:
        heard = Rig(runtime).run(recording, "undisturbed", ENGLISH)
    finally:
        runtime.close()
    assert len(heard.results) >= 5
    assert "best of times" in heard.text
    return heard


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP])
def test_a_child_that_is_killed_or_stopped_at_work_changes_nothing(
    make_rig: MakeRig, recording: Path, clip: Path, undisturbed: Heard, number: signal.Signals
) -> None:
    rig = make_rig(window_timeout=15.0 if number is signal.SIGSTOP else 120.0)
    job = InThread(lambda: rig.run(recording, "long", ENGLISH))
    victim = rig.busy_engine()
    other = InThread(lambda: rig.run(clip, "other", ENGLISH, owner="another"))
    os.kill(victim, number)
    heard = job.result()
    assert victim not in rig.engines()
    assert heard.text == undisturbed.text
    assert sorted(heard.told) == sorted(undisturbed.told)
    assert other.result().text


def test_a_reader_that_is_killed_between_chapters_changes_nothing(
    make_rig: MakeRig, clips: dict[str, Pcm], tmp_path: Path
) -> None:
    rig = make_rig(children=2)
    cities, beckett = clips["cities"], clips["beckett"]
    starts = range(0, 40 * SAMPLE_RATE, 8 * SAMPLE_RATE)
    recording = write(tmp_path / "read.wav", beckett, *(cities[start : start + 8 * SAMPLE_RATE] for start in starts))
    options = ENGLISH.but(condition_on_previous_text=True)
    whole = rig.run(recording, "whole", options)
    killed: list[int] = []

    def kill(_: Heard) -> None:
        for pid in rig.readers():
            if any(file.path == str(recording) for file in psutil.Process(pid).open_files()):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    heard = rig.run(recording, "killed", options, hook=kill)
    assert heard.text == whole.text
    assert len(killed) >= 3


def _poisoned(path: Path, clips: dict[str, Pcm]) -> Path:
    """Some of the call, then Beckett with a crack in the middle, then some more."""
    cracked = clips["beckett"].copy()
    cracked[5 * SAMPLE_RATE : 5 * SAMPLE_RATE + 10] = 32_767
    return write(path, clips["call"][: 9 * SAMPLE_RATE], cracked, clips["cities"][: 9 * SAMPLE_RATE])


@pytest.mark.parametrize("how", ["crash", "hang"])
def test_a_window_that_kills_twice_fails_its_own_job_alone(
    make_rig: MakeRig, clips: dict[str, Pcm], recording: Path, undisturbed: Heard, tmp_path: Path, how: str
) -> None:
    rig = make_rig(batch_size=8, window_timeout=15.0 if how == "hang" else 120.0)
    options = ENGLISH.but(prompt=how)
    bad = _poisoned(tmp_path / "bad.wav", clips)
    failing = InThread(lambda: rig.run(bad, "bad", options, owner="unlucky"))
    good = InThread(lambda: rig.run(recording, "good", ENGLISH))
    with pytest.raises(RecogniserCrashed, match=r"\d+\.\d s to \d+\.\d s of the recording") as caught:
        failing.result()
    assert ("signal 11" if how == "crash" else "did not answer in time") in caught.value.message
    heard = good.result()
    assert heard.text == undisturbed.text
    assert sorted(heard.told) == sorted(undisturbed.told)


def test_children_that_cannot_start_are_a_failure_and_not_a_loop(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seam(monkeypatch)
    failures: list[str] = []
    settings = RuntimeSettings(scratch=tmp_path, natives="tests.worker.stillborn_natives")
    runtime = Runtime(settings, weights, failures.append)
    try:
        with pytest.raises(WorkerUnavailable, match="cannot be started: it left with exit code 3"):
            runtime.wait_ready()
        assert runtime.failure is not None
        assert eventually(lambda: len(failures) == 2), "engines and readers say it once each"
    finally:
        runtime.close(0)


WORKER = """
import sys
from pathlib import Path
from harken.model import Job, JobState, Lane, Options
from harken.models.catalog import Catalog
from harken.models.store import ModelStore
from harken.pipeline import Cursor
from harken.worker.runtime import Runtime, RuntimeSettings
from harken.worker.weights import Hardware, Weights
models, scratch, recording = map(Path, sys.argv[1:])
runtime = Runtime(RuntimeSettings(scratch, children=2), Weights(Catalog(), ModelStore(models), Hardware()), sys.exit)
runtime.wait_ready()
job = Job("j", "me", JobState.PROCESSING, Lane.BATCH, Options(language="en"), "x", 0, 0)
cursor = Cursor()
pids = [pid for some in runtime.pids().values() for pid in some]
while not cursor.done:
    cursor = runtime.run_chapter(job, recording, cursor, {}, lambda _: None, lambda: False).cursor
    print(*pids, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_children_do_not_outlive_a_worker_that_is_killed(
    models_dir: Path, weights: Weights, recording: Path, tmp_path: Path, number: signal.Signals
) -> None:
    scratch = tmp_path / "scratch"
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(models_dir), str(scratch), str(recording)],
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        children = [int(pid) for pid in worker.stdout.readline().split()]
        assert len(children) == 4
        assert not gone(children)
        worker.send_signal(number)
        worker.wait(30)
    assert eventually(lambda: gone(children))
    runtime = Runtime(RuntimeSettings(scratch=scratch, natives=POISONED), weights, pytest.fail)
    runtime.close()
    assert [path.name for path in scratch.iterdir()] == ["lock"], "the next worker removes what was left"
