# SPDX-License-Identifier: Apache-2.0
"""Children that tell voices apart: started when needed, killed when not wanted, and what dies with them."""

from __future__ import annotations

import os
import signal
import threading
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from tests.worker.conftest import eventually, gone, seam

from harken.errors import (
    CorruptMedia,
    JobCancelled,
    ModelCorrupt,
    NotMedia,
    RecogniserCrashed,
    UnusableVoice,
    WorkerUnavailable,
)
from harken.model import SAMPLE_RATE, Diarization, KnownVoice, Lane, Options
from harken.models.parts import SpeakerFiles
from harken.worker.child import HEARD
from harken.worker.process import ChildSettings
from harken.worker.protocol import Diarize
from harken.worker.scheduler import Scheduler, Task
from harken.worker.speakers import Speakers

SECONDS = 4


class Desk:
    """What asks the children, from threads."""

    def __init__(self, folder: Path, speakers: Speakers) -> None:
        self.folder = folder
        self.speakers = speakers
        self.recording = folder / "recording.wav"
        with wave.open(str(self.recording), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(np.zeros(SECONDS * SAMPLE_RATE, np.int16).tobytes())
        self.progress: list[float] = []
        self._threads = ThreadPoolExecutor(8)

    def models(self, how: str) -> SpeakerFiles:
        return SpeakerFiles(Path(how), self.folder / f"asked-{how}")

    def asked(self, how: str) -> list[int]:
        """Process ids of the children that were asked."""
        log = self.models(how).embedding
        return [int(line) for line in log.read_text().splitlines()] if log.exists() else []

    def ask(
        self,
        how: str,
        *,
        options: Options | None = None,
        timeout: float = 120.0,
        path: Path | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Future[Diarization]:
        voices = (KnownVoice("Zoë", (0.6, 0.8)),)
        request = Diarize(self.models(how), path or self.recording, options or Options(diarize=True), voices)
        return self._threads.submit(
            self.speakers.diarize, request, timeout, Lane.BATCH, "me", self.progress.append, cancelled
        )

    def close(self) -> None:
        self.speakers.close()
        self._threads.shutdown()


class MakeDesk(Protocol):
    def __call__(self, *, size: int = 1, idle: float = 60.0, natives: str = ...) -> Desk: ...


@pytest.fixture
def make_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeDesk]:
    seam(monkeypatch)
    desks: list[Desk] = []

    def make(*, size: int = 1, idle: float = 60.0, natives: str = "tests.worker.scripted_natives") -> Desk:
        desk = Desk(tmp_path, Speakers(size, ChildSettings("harken-speakers", natives=natives), idle=idle))
        desks.append(desk)
        return desk

    yield make
    for desk in desks:
        desk.close()


def test_children_run_while_they_are_needed(make_desk: MakeDesk) -> None:
    desk = make_desk(size=2, idle=0.2)
    assert desk.speakers.crew.pids() == []
    first = desk.ask("fine").result(60)
    assert first.speakers[0].name == "Zoë"
    assert (first.turns[0].start, first.turns[0].end) == (0.0, SECONDS)
    (pid,) = desk.asked("fine")
    assert eventually(lambda: not desk.speakers.crew.pids())
    assert eventually(lambda: gone([pid]))
    assert desk.ask("fine").result(60) == first


def test_only_the_part_that_was_asked_for_is_heard(make_desk: MakeDesk) -> None:
    found = make_desk().ask("fine", options=Options(diarize=True, offset=1.0, duration=2.0)).result(60)
    assert [(turn.start, turn.end) for turn in found.turns] == [(1.0, 3.0)]


def test_progress_is_told(make_desk: MakeDesk) -> None:
    desk = make_desk()
    stop = threading.Event()
    asked = desk.ask("hang", cancelled=stop.is_set)
    assert eventually(lambda: desk.progress == [0.5])
    stop.set()
    with pytest.raises(JobCancelled):
        asked.result(60)


def test_as_many_children_as_there_is_work_for(make_desk: MakeDesk) -> None:
    desk = make_desk(size=3)
    stop = threading.Event()
    asked = [desk.ask("hang", cancelled=stop.is_set) for _ in range(2)]
    assert eventually(lambda: len(desk.asked("hang")) == 2)
    assert sorted(desk.speakers.crew.pids()) == sorted(desk.asked("hang"))
    assert desk.ask("fine").result(60).speakers
    stop.set()
    for one in asked:
        with pytest.raises(JobCancelled):
            one.result(60)


def test_a_child_that_died_is_tried_once_more(make_desk: MakeDesk) -> None:
    desk = make_desk()
    assert desk.ask("once").result(60).speakers
    assert len(desk.asked("once")) == 2
    with pytest.raises(RecogniserCrashed, match=r"tried twice, and each time it was killed by signal 11"):
        desk.ask("crash").result(60)
    assert len(desk.asked("crash")) == 2
    assert desk.ask("fine").result(60).speakers


def test_a_child_that_is_killed_is_replaced(make_desk: MakeDesk) -> None:
    desk = make_desk()
    stop = threading.Event()
    asked = desk.ask("hang", cancelled=stop.is_set)
    assert eventually(lambda: len(desk.asked("hang")) == 1)
    os.kill(desk.asked("hang")[0], signal.SIGKILL)
    assert eventually(lambda: len(desk.asked("hang")) == 2)
    stop.set()
    with pytest.raises(JobCancelled):
        asked.result(60)


def test_a_child_that_hangs_is_killed_and_not_tried_again(make_desk: MakeDesk) -> None:
    desk = make_desk()
    with pytest.raises(RecogniserCrashed, match="not done within 1 s"):
        desk.ask("hang", timeout=1.0).result(60)
    assert len(desk.asked("hang")) == 1
    assert gone(desk.asked("hang"))
    assert desk.ask("fine").result(60).speakers


def test_what_is_not_wanted_any_more_is_killed(make_desk: MakeDesk) -> None:
    desk = make_desk()
    stop, stop_waiting = threading.Event(), threading.Event()
    running = desk.ask("hang", cancelled=stop.is_set)
    assert eventually(lambda: len(desk.asked("hang")) == 1)
    waiting = desk.ask("crash", cancelled=stop_waiting.is_set)
    stop_waiting.set()
    with pytest.raises(JobCancelled):
        waiting.result(60)
    stop.set()
    with pytest.raises(JobCancelled):
        running.result(60)
    assert eventually(lambda: gone(desk.asked("hang")))
    assert desk.ask("fine").result(60).speakers
    assert (len(desk.asked("hang")), desk.asked("crash")) == (1, [])


def test_errors_are_answers(make_desk: MakeDesk, tmp_path: Path) -> None:
    desk = make_desk()
    text = tmp_path / "text.mp3"
    text.write_text("no sound in here")
    with pytest.raises(NotMedia):
        desk.ask("fine", path=text).result(60)
    pids = desk.speakers.crew.pids()
    with pytest.raises(ModelCorrupt):
        desk.ask("corrupt").result(60)
    assert desk.ask("fine").result(60).speakers
    assert desk.speakers.crew.pids() == pids


@pytest.mark.parametrize(
    ("natives", "how"),
    [
        ("tests.worker.stillborn_natives", "it left with exit code 3"),
        ("tests.worker.no_such_natives", r"the engine failed .* \(ModuleNotFoundError\)"),
    ],
)
def test_children_that_cannot_start_are_tried_again_for_the_next(
    make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch, natives: str, how: str
) -> None:
    monkeypatch.setattr("harken.worker.crew.STARTS", 2)
    desk = make_desk(natives=natives)
    for _ in range(2):
        with pytest.raises(WorkerUnavailable, match=f"cannot be started: {how}"):
            desk.ask("fine").result(60)


def test_a_child_that_is_done_stays(make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = make_desk()
    finished = Scheduler.finished

    def slowly(scheduler: Scheduler[object], batch: Sequence[Task[object]]) -> None:
        time.sleep(0.3)  # longer than whoever asked takes to let go of what is done
        finished(scheduler, batch)

    monkeypatch.setattr(Scheduler, "finished", slowly)
    for _ in range(2):
        assert desk.ask("fine").result(60).speakers
    assert len(set(desk.asked("fine"))) == 1


def test_nobody_waits_for_a_voice_for_ever(make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harken.worker.speakers.ANSWER_SECONDS", 1.0)
    desk = make_desk()
    with pytest.raises(WorkerUnavailable, match="not learnt within 1 s; try again later"):
        desk.speakers.voiceprint(desk.recording, desk.models("hang"))
    assert eventually(lambda: gone(desk.asked("hang")))


def test_a_worker_that_stops_says_so(make_desk: MakeDesk) -> None:
    desk = make_desk()
    running, waiting = desk.ask("hang"), desk.ask("fine")
    assert eventually(lambda: len(desk.asked("hang")) == 1)
    desk.speakers.close()
    for asked in (running, waiting):
        with pytest.raises(WorkerUnavailable):
            asked.result(60)
    assert gone(desk.asked("hang"))


def test_a_voice_is_learnt(make_desk: MakeDesk, tmp_path: Path) -> None:
    desk = make_desk()
    assert desk.speakers.voiceprint(desk.recording, desk.models("fine")) == (SECONDS, (0.6, 0.8))
    short = tmp_path / "short.wav"
    with wave.open(str(short), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(bytes(SAMPLE_RATE))
    with pytest.raises(UnusableVoice, match="no speech"):
        desk.speakers.voiceprint(short, desk.models("fine"))
    long = tmp_path / "long.wav"
    with wave.open(str(long), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(bytes(2 * SAMPLE_RATE * (int(HEARD) + 5)))
    assert desk.speakers.voiceprint(long, desk.models("fine"))[0] == HEARD
    with pytest.raises(CorruptMedia, match="no voice can be learnt"):
        desk.speakers.voiceprint(desk.recording, desk.models("crash"))
