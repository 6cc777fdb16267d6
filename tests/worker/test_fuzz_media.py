# SPDX-License-Identifier: Apache-2.0
"""Recordings with bytes that are not as they should be, read as the server reads them: headers, then every chapter.

What comes of one is windows or an error of the recording's own. Native code may die of it, in the child, and another
child reads the next.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzzing import budget
from tests.worker.conftest import eventually, pcm

from harken.errors import MediaError, RecogniserCrashed
from harken.model import SAMPLE_RATE, Lane, MediaInfo, Options
from harken.worker.process import ChildSettings
from harken.worker.protocol import Plan, Planned
from harken.worker.readers import Readers

KINDS = {
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "ogg": ("ogg", "libopus"),
    "oga": ("ogg", "flac"),
    "m4a": ("ipod", "aac"),
    "flac": ("flac", "flac"),
    "webm": ("webm", "libopus"),
}
SECONDS = 3
RATE = 48_000
LONGEST = 3600.0
"""Seconds of sound, or of silence where time stamps say so, that are read of a recording."""
LIMIT = 60.0
"""Seconds that a child has for a chapter; more is a hang."""

NUMBERS = [
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x01",
    b"\x01",
]
EARLY = st.integers(0, 1023)
ANYWHERE = st.integers(0, 2**20)
PIECES = st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(NUMBERS))


@dataclass(frozen=True)
class Change:
    """Bytes from ``at`` on: so many are taken out, and others put in."""

    at: int
    out: int
    others: bytes

    def made(self, content: bytes) -> bytes:
        at = self.at % (len(content) + 1)
        return content[:at] + self.others + content[at + self.out :]


def over(at: int, others: bytes) -> Change:
    return Change(at, len(others), others)


PLACES = st.one_of(EARLY, EARLY, ANYWHERE)
CHANGES = st.lists(
    st.one_of(
        st.builds(over, PLACES, PIECES),
        st.builds(over, PLACES, PIECES),
        st.builds(Change, PLACES, st.just(0), PIECES),
        st.builds(Change, PLACES, st.integers(1, 64), st.just(b"")),
        st.builds(Change, PLACES, st.just(2**30), st.just(b"")),
    ),
    min_size=1,
    max_size=6,
)


def encoded(path: Path, container: str, codec: str, sound: np.ndarray) -> bytes:
    """A recording in a container."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE, layout="mono")
        assert isinstance(stream, AudioStream)
        frame = av.AudioFrame.from_ndarray(sound[np.newaxis], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        resampler = av.AudioResampler(stream.format, "mono", RATE, frame_size=stream.frame_size or 1024)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return path.read_bytes()


@pytest.fixture
def readers(vad_model: Path) -> Iterator[Readers]:
    made = Readers(1, ChildSettings("harken-fuzz"), pytest.fail, plan_timeout=LIMIT, detector=vad_model)
    yield made
    made.close()


def read(readers: Readers, path: Path, vad: Path) -> float | None:
    """Read it as a job is read; the seconds that came of it, or None where it cannot be read."""
    job = uuid.uuid4().hex
    chapter = path.with_name(f"{job}.chapter")
    try:
        info = readers.probe(path)
        assert isinstance(info, MediaInfo)
        position, decoded, done = 0.0, 0.0, False
        while not done and decoded < LONGEST:
            plan = Plan(job, path, Options(language="en"), vad, position, 16, chapter)
            planned = readers.plan(plan, Lane.INTERACTIVE).result(3 * LIMIT)
            assert isinstance(planned, Planned)
            assert planned.done or planned.position > position, "it goes on"
            position, decoded, done = planned.position, planned.decoded, planned.done
    except (MediaError, RecogniserCrashed):
        return None
    finally:
        readers.forget(job)
        chapter.unlink(missing_ok=True)
    return decoded


@pytest.mark.parametrize("kind", KINDS)
def test_media(readers: Readers, tmp_path: Path, beckett_wav: Path, vad_model: Path, kind: str) -> None:
    path = tmp_path / "recording"
    good = encoded(path, *KINDS[kind], pcm(beckett_wav)[: SECONDS * SAMPLE_RATE])
    assert read(readers, path, vad_model) == pytest.approx(SECONDS, abs=0.1)
    came = list[float | None]()

    @budget(40)
    @given(CHANGES)
    def check(changes: list[Change]) -> None:
        content = good
        for change in changes:
            content = change.made(content)
        path.write_bytes(content)
        came.append(read(readers, path, vad_model))

    check()
    assert None in came, "some cannot be read"
    assert any(came), "some can, or little was tested"
    assert list(tmp_path.iterdir()) == [path], "nothing stays behind"
    path.write_bytes(good)
    assert read(readers, path, vad_model) == pytest.approx(SECONDS, abs=0.1), "the child is well, or another is"
    assert eventually(lambda: not [file for pid in readers.crew.pids() for file in opened(pid, tmp_path)])


def opened(pid: int, folder: Path) -> list[Path]:
    """The files below a folder that a process has open."""
    names = [file.readlink() for file in Path(f"/proc/{pid}/fd").iterdir()]
    return [name for name in names if name.is_relative_to(folder)]
