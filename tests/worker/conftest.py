# SPDX-License-Identifier: Apache-2.0
"""A worker's runtime with real children and the real base model, on a recording of several windows."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from harken.audio.decode import Decoder
from harken.model import SAMPLE_RATE, Job, JobState, Lane, Options, Timing, Transcript, WindowResult
from harken.models.catalog import Catalog
from harken.models.store import ModelStore
from harken.pipeline import Cursor, assemble
from harken.worker.runtime import Runtime, RuntimeSettings
from harken.worker.weights import Hardware, Weights

Pcm = npt.NDArray[np.int16]

POISONED = "tests.worker.poisoned_natives"
"""The real native code, which dies of marked windows."""


def eventually(what: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait for a condition, within a bound that only a failure meets."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def gone(pids: Sequence[int]) -> bool:
    """Whether none of the processes runs any more."""

    def alive(pid: int) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        return False

    return not any(alive(pid) for pid in pids)


def pcm(path: Path) -> Pcm:
    """A recording as 16-bit samples, a little quieter than full."""
    decoder = Decoder(path)
    blocks = []
    while (block := decoder.read()) is not None:
        blocks.append(block[0])
    decoder.close()
    samples = np.concatenate(blocks)
    quieter: Pcm = (samples / np.abs(samples).max() * 29_000).astype(np.int16)
    return quieter


def write(path: Path, *parts: Pcm) -> Path:
    """A WAV file of some recordings, with silence after each that is long enough for a window to end in it."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for part in parts:
            file.writeframes(part.tobytes() + bytes(7 * SAMPLE_RATE))
    return path


@dataclass
class Heard:
    """What came of a job."""

    results: dict[int, WindowResult] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)
    """Every index in the order in which it came, also if it came twice."""
    chapters: int = 0
    transcript: Transcript | None = None

    @property
    def text(self) -> str:
        assert self.transcript is not None
        return self.transcript.text


Hook = Callable[[Heard], None]


class Rig:
    """A runtime and how to run jobs on it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.seen: set[int] = set()
        """Process ids of all children that were seen."""

    def engines(self) -> list[int]:
        pids = self.runtime.pids()
        self.seen.update(pids["engines"], pids["readers"])
        return pids["engines"]

    def readers(self) -> list[int]:
        self.engines()
        return self.runtime.pids()["readers"]

    def busy_engine(self) -> int:
        """A child in the middle of a batch: one whose processor time grows."""
        before: dict[int, float] = {}

        def cpu(pid: int) -> float:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = psutil.Process(pid).cpu_times()
                return float(times.user + times.system)
            return 0.0

        found: list[int] = []

        def busy() -> bool:
            found.extend(pid for pid in self.engines() if cpu(pid) - before.setdefault(pid, cpu(pid)) > 0.15)
            return bool(found)

        assert eventually(busy), "no child was at work"
        return found[0]

    def run(
        self,
        path: Path,
        job_id: str,
        options: Options,
        *,
        owner: str = "someone",
        lane: Lane = Lane.BATCH,
        hook: Hook | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Heard:
        """Run a job to its end; ``hook`` is called after each of its chapters and each of its results."""
        job = Job(job_id, owner, JobState.PROCESSING, lane, options, path.name, 0.0, 0.0)
        heard = Heard()

        def note(results: Sequence[tuple[int, WindowResult]]) -> None:
            heard.results.update(results)
            heard.told.extend(index for index, _ in results)
            if hook is not None:
                hook(heard)

        cursor = Cursor()
        duration: float | None = None
        while not cursor.done:
            done = self.runtime.run_chapter(job, path, cursor, {}, note, cancelled)
            cursor, duration = done.cursor, done.duration
            heard.chapters += 1
        assert duration is not None
        results = [heard.results[index] for index in sorted(heard.results)]
        heard.transcript = assemble(results, options, duration=duration, model="base", timing=Timing())
        return heard


@pytest.fixture(scope="session")
def weights(model_store: ModelStore, base_model: Path, vad_model: Path) -> Weights:
    """Base and the speech detector, installed; nothing is fetched."""
    assert base_model.parent == vad_model.parent.parent
    return Weights(Catalog(), ModelStore(model_store.root), Hardware(compute_type="int8"))


MakeRig = Callable[..., Rig]


def seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children import the native code that stands in for the real one in tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)


@pytest.fixture
def make_rig(weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRig]:
    """Start a runtime; all its children are gone after the test."""
    seam(monkeypatch)
    rigs: list[Rig] = []

    def make(*, children: int = 1, batch_size: int = 2, window_timeout: float = 120.0, natives: str = POISONED) -> Rig:
        settings = RuntimeSettings(
            scratch=tmp_path / "scratch",
            children=children,
            batch_size=batch_size,
            window_timeout=window_timeout,
            natives=natives,
        )
        rig = Rig(Runtime(settings, weights, pytest.fail))
        rigs.append(rig)
        rig.runtime.wait_ready()
        rig.engines()
        return rig

    yield make
    for rig in rigs:
        rig.engines()
        rig.runtime.close(drain=5.0)
        assert gone(sorted(rig.seen)), "children were left"
    assert not [path for path in tmp_path.glob("scratch/**/*") if path.name != "lock"], "samples were left"


@pytest.fixture(scope="session")
def clips(two_cities_wav: Path, sample_wav: Path, beckett_wav: Path) -> dict[str, Pcm]:
    """Real speech, by name."""
    return {"cities": pcm(two_cities_wav), "call": pcm(sample_wav), "beckett": pcm(beckett_wav)}


@pytest.fixture(scope="session")
def recording(clips: dict[str, Pcm], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five windows of about 6 s."""
    cities, call, beckett = clips["cities"], clips["call"], clips["beckett"]
    second = SAMPLE_RATE
    parts = (
        beckett[: 6 * second],
        cities[: 6 * second],
        call[7 * second : 13 * second],
        cities[6 * second : 12 * second],
        beckett[6 * second :],
    )
    return write(tmp_path_factory.mktemp("speech") / "long.wav", *parts)


@pytest.fixture(scope="session")
def clip(clips: dict[str, Pcm], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 3 s of one of them."""
    return write(tmp_path_factory.mktemp("speech") / "clip.wav", clips["beckett"][: 3 * SAMPLE_RATE])


ENGLISH = Options(model="base", language="en")


class InThread:
    """A job that runs beside the test."""

    def __init__(self, work: Callable[[], Heard]) -> None:
        self._result: list[Heard | BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._result

    def _run(self, work: Callable[[], Heard]) -> None:
        try:
            self._result.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            self._result.append(error)

    def result(self) -> Heard:
        """What came of it, or its error."""
        self._thread.join(500)
        assert self._result, "the job did not end"
        result = self._result[0]
        if isinstance(result, BaseException):
            raise result
        return result
