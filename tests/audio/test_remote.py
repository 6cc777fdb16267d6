# SPDX-License-Identifier: Apache-2.0
"""Recordings that cannot be read for a while: not broken, not at their end, and not the recording's fault."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from tests.audio.conftest import Make

from harken.audio.decode import Decoder
from harken.audio.probe import probe
from harken.audio.remote import Remote
from harken.errors import StorageUnavailable
from harken.worker.protocol import Refusal


class Failing(io.BytesIO):
    """Reads ``good`` times; then its store is away."""

    def __init__(self, content: bytes, good: int) -> None:
        super().__init__(content)
        self.good = good
        self.reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads > self.good:
            raise StorageUnavailable("the store of recordings does not answer")
        return super().read(size)


def heard(file: io.BytesIO) -> int:
    with Decoder(file) as decoder:
        while decoder.read() is not None:
            pass
        assert not decoder.warnings
        return decoder.position


def noise(seconds: float) -> npt.NDArray[np.float32]:
    made = np.random.default_rng(7).uniform(-0.5, 0.5, round(16_000 * seconds))
    return made.astype(np.float32)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"),
        ("a.mp3", "mp3"),
        ("a.m4a", "aac"),
        ("a.ogg", "libopus"),
        ("a.flac", "flac"),
        ("a.mkv", "aac"),
    ],
)
def test_a_read_that_fails_anywhere_is_told_as_such(make_media: Make, name: str, codec: str) -> None:
    content = make_media(name, noise(20.0), codec=codec).read_bytes()
    whole = Failing(content, 10**9)
    length = heard(whole)
    assert whole.reads > 3
    for good in range(whole.reads):
        file = Failing(content, good)
        with pytest.raises(StorageUnavailable):
            heard(file)
    assert heard(Failing(content, whole.reads)) == length


def test_headers_that_cannot_be_read_are_not_corrupt(make_media: Make) -> None:
    content = make_media("a.m4a", noise(5.0), codec="aac").read_bytes()
    whole = Failing(content, 10**9)
    known = probe(whole)
    for good in range(whole.reads):
        with pytest.raises(StorageUnavailable):
            probe(Failing(content, good))
    assert probe(Failing(content, whole.reads)) == known


def test_a_remote_recording_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    remote = Remote("s3://bucket/prefix", "key", 5)
    assert b"hush" not in pickle.dumps(remote)
    assert pickle.loads(pickle.dumps(remote)) == remote


def test_what_crosses_the_pipe_is_the_same_error() -> None:
    error = Refusal.of(StorageUnavailable("away", detail="secret address")).error()
    assert isinstance(error, StorageUnavailable)
    assert (error.message, error.detail) == ("away", None)


def test_children_know_no_store() -> None:
    """A child that decodes loads neither the database's library nor, without a bucket, the store's."""
    script = (
        "import sys, harken.worker.child, harken.worker.natives, harken.pipeline\n"
        "print([name for name in ('sqlalchemy', 'obstore', 'harken.store') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
