# SPDX-License-Identifier: Apache-2.0
"""Children that read recordings from a store which hangs: no hang of theirs, and no fault of the recording."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.s3 import S3Server

from harken.audio.remote import Remote
from harken.errors import StorageUnavailable
from harken.store.objects import S3Blobs
from harken.worker import readers as room
from harken.worker.process import ChildSettings
from harken.worker.readers import Readers


@pytest.fixture
def readers(fragile_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Readers]:
    for name, value in fragile_s3.env.items():
        monkeypatch.setenv(name, value)
    made = Readers(1, ChildSettings("harken-probe"), lambda _: None)
    yield made
    made.close()


def test_what_a_child_waits_for_the_store_does_not_count(
    readers: Readers, fragile_s3: S3Server, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = str(uuid.uuid4())
    blobs = S3Blobs(fragile_s3.make_bucket(f"harken-{uuid.uuid4().hex}"), max_bytes=2**30)
    known = readers.probe(clip)
    blobs.adopt(Path(shutil.copy(clip, tmp_path / "fetched")), key)
    source = blobs.source(key)
    assert isinstance(source, Remote)
    assert source.size == clip.stat().st_size
    assert readers.probe(source) == known
    (child,) = readers.crew.pids()
    monkeypatch.setattr(room, "PROBE_SECONDS", 3.0)
    fragile_s3.pause()
    timer = threading.Timer(5.0, fragile_s3.resume)
    timer.start()
    try:
        assert readers.probe(source) == known
    finally:
        timer.join()
    assert readers.crew.pids() == [child], "nobody took it to hang"
    fragile_s3.stop()
    with pytest.raises(StorageUnavailable):
        readers.probe(source)
    assert readers.crew.pids() == [child]
