# SPDX-License-Identifier: Apache-2.0
"""Recordings in a folder."""

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


def test_a_recording_is_adopted_read_and_removed(blobs: FolderBlobs, tmp_path: Path) -> None:
    key = str(uuid.uuid4())
    path = _spooled(tmp_path)
    blobs.adopt(path, key)
    assert not path.exists()
    with blobs.local(key) as local:
        assert local.read_bytes() == b"sound"
    assert blobs.keys() == {key}
    blobs.delete(key)
    blobs.delete(key)
    assert blobs.keys() == set()
    with pytest.raises(FileNotFoundError), blobs.local(key):
        pass


def test_a_recording_from_another_file_system_is_copied(blobs: FolderBlobs, tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    path = elsewhere / f"harken-{uuid.uuid4()}"
    path.write_bytes(b"sound")
    key = str(uuid.uuid4())
    blobs.adopt(path, key)
    assert not path.exists()
    with blobs.local(key) as local:
        assert local.read_bytes() == b"sound"
    assert [item.name for item in (tmp_path / "audio").iterdir()] == [key]


@pytest.mark.parametrize(
    "key",
    ["", "..", "../x", "/etc/passwd", "a\0b", "A" * 32, "{" + "0" * 34 + "}"],
)
def test_what_is_no_uuid_is_no_key(blobs: FolderBlobs, tmp_path: Path, key: str) -> None:
    path = _spooled(tmp_path)
    with pytest.raises(ValueError, match="not the key"):
        blobs.adopt(path, key)
    with pytest.raises(ValueError, match="not the key"):
        blobs.delete(key)
    with pytest.raises(ValueError, match="not the key"), blobs.local(key):
        pass
    assert path.exists()


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
    with blobs.local(first) as path:
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
        with blobs.local(key) as path:
            assert path.read_bytes() == said
    with pytest.raises(FileNotFoundError):
        blobs.copy(first, str(uuid.uuid4()))
    assert blobs.keys() == {second, third}
