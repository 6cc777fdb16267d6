# SPDX-License-Identifier: Apache-2.0
"""Recordings in a folder: what holds there alone. See test_blob_stores.py for the rest."""

from __future__ import annotations

import errno
import os
import time
import uuid
from pathlib import Path

import pytest

from harken.store import FolderBlobs
from harken.store.blobs import _ABANDONED


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "audio")


def _spooled(tmp_path: Path) -> Path:
    path = tmp_path / "spool"
    path.write_bytes(b"sound")
    return path


def test_a_recording_from_another_file_system_is_copied(blobs: FolderBlobs, tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    path = elsewhere / f"harken-{uuid.uuid4()}"
    path.write_bytes(b"sound")
    key = str(uuid.uuid4())
    blobs.adopt(path, key)
    assert not path.exists()
    assert blobs.source(key).read_bytes() == b"sound"
    assert [item.name for item in (tmp_path / "audio").iterdir()] == [key]


def test_only_old_recordings_are_counted_when_asked(blobs: FolderBlobs, tmp_path: Path) -> None:
    key = str(uuid.uuid4())
    path = _spooled(tmp_path)
    os.utime(path, (1.0, 1.0))
    blobs.adopt(path, key)
    assert blobs.keys(older_than=60.0) == set(), "its age counts from its adoption"
    os.utime(tmp_path / "audio" / key, (1.0, 1.0))
    assert blobs.keys(older_than=60.0) == {key}


def test_half_copies_and_strangers_are_no_recordings(blobs: FolderBlobs, tmp_path: Path) -> None:
    fresh = tmp_path / "audio" / f"{uuid.uuid4()}.part"
    stale = tmp_path / "audio" / f"{uuid.uuid4()}.part"
    note = tmp_path / "audio" / "README"
    for path in (fresh, stale, note):
        path.touch()
    old = time.time() - _ABANDONED - 60
    os.utime(stale, (old, old))
    assert blobs.keys() == set()
    assert (fresh.exists(), stale.exists(), note.exists()) == (True, False, True)


def test_a_copy_and_its_recording_live_apart(
    blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (str(uuid.uuid4()) for _ in range(3))
    blobs.adopt(_spooled(tmp_path), first)
    path = blobs.source(first)
    said = path.read_bytes()
    os.utime(path, (1.0, 1.0))
    blobs.copy(first, second)
    assert blobs.keys(older_than=3600.0) == set(), "a copy is as new as if it had just been adopted"

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    blobs.copy(first, third)
    blobs.delete(first)
    for key in (second, third):
        assert blobs.source(key).read_bytes() == said
    with pytest.raises(FileNotFoundError):
        blobs.copy(first, str(uuid.uuid4()))
    assert blobs.keys() == {second, third}
