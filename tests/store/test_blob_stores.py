# SPDX-License-Identifier: Apache-2.0
"""What holds of every store of recordings: the same tests over a folder and a bucket of a real S3-compatible server."""

from __future__ import annotations

import io
import os
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from harken.audio.remote import LARGEST, Remote, Stored
from harken.ports import BlobStore
from harken.store import FolderBlobs
from harken.store.objects import PART, S3Blobs

LARGE = os.urandom(1024) * (3 * PART // 1024 + 7)


@pytest.fixture(params=["folder", "s3", "s3 with prefix"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return FolderBlobs(tmp_path / "audio", spool=tmp_path / "spool")
    url = request.getfixturevalue("bucket")
    return S3Blobs(url + "/of/harken/" * (request.param != "s3"), max_bytes=2**30)


def read(source: Stored) -> bytes:
    if isinstance(source, Remote):
        with pickle.loads(pickle.dumps(source)).open() as file:
            content: bytes = file.read()
            return content
    return source.read_bytes()


def arrive(blobs: BlobStore, content: bytes, block: int = 2**20 - 1) -> str:
    with blobs.arriving(len(content)) as arrival:
        for at in range(0, len(content), block):
            arrival.write(memoryview(content)[at : at + block])
        assert read(arrival.finish()) == content
        arrival.keep()
        return arrival.key


@pytest.mark.parametrize("content", [b"", b"sound", LARGE[:PART], LARGE], ids=["none", "short", "one part", "parts"])
def test_a_recording_arrives_and_is_removed(blobs: BlobStore, content: bytes) -> None:
    key = arrive(blobs, content)
    assert str(uuid.UUID(key)) == key
    assert blobs.keys() == {key}
    assert blobs.keys(older_than=3600.0) == set()
    assert read(blobs.source(key)) == content
    blobs.delete(key)
    blobs.delete(key)
    assert blobs.keys() == set()
    with pytest.raises(FileNotFoundError):
        blobs.source(key)


@pytest.mark.parametrize("content", [b"sound", LARGE], ids=["short", "parts"])
@pytest.mark.parametrize("whole", [False, True])
def test_what_nobody_keeps_is_gone(blobs: BlobStore, tmp_path: Path, content: bytes, whole: bool) -> None:
    with blobs.arriving() as arrival:
        arrival.write(content)
        if whole:
            assert read(arrival.finish()) == content
    assert blobs.keys() == set()
    if isinstance(blobs, FolderBlobs):
        assert not list((tmp_path / "spool").iterdir())


@pytest.mark.parametrize("content", [b"sound", LARGE], ids=["short", "parts"])
def test_a_file_is_adopted(blobs: BlobStore, tmp_path: Path, content: bytes) -> None:
    path, key = tmp_path / "fetched", str(uuid.uuid4())
    path.write_bytes(content)
    os.utime(path, (1.0, 1.0))
    blobs.adopt(path, key)
    assert not path.exists()
    assert read(blobs.source(key)) == content
    assert (blobs.keys(), blobs.keys(older_than=60.0)) == ({key}, set())


def test_a_copy_and_its_recording_live_apart(blobs: BlobStore) -> None:
    first, second = arrive(blobs, b"sound"), str(uuid.uuid4())
    blobs.copy(first, second)
    blobs.delete(first)
    assert read(blobs.source(second)) == b"sound"
    assert blobs.keys() == {second}
    with pytest.raises(FileNotFoundError):
        blobs.copy(first, str(uuid.uuid4()))


@pytest.mark.parametrize("key", ["", "..", "../x", "/etc/passwd", "a\0b", "A" * 32, "{" + "0" * 34 + "}"])
def test_what_is_no_uuid_is_no_key(blobs: BlobStore, tmp_path: Path, key: str) -> None:
    path = tmp_path / "fetched"
    path.write_bytes(b"sound")
    calls: list[Callable[[], object]] = [
        lambda: blobs.adopt(path, key),
        lambda: blobs.delete(key),
        lambda: blobs.source(key),
        lambda: blobs.copy(key, str(uuid.uuid4())),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="not the key"):
            call()
    assert path.exists()


def test_it_can_be_used(blobs: BlobStore) -> None:
    blobs.check()
    blobs.sweep()


def test_a_recording_is_read_here_and_there(blobs: BlobStore) -> None:
    source = blobs.source(arrive(blobs, LARGE))
    with source.open() if isinstance(source, Remote) else source.open("rb") as file:
        places = [0, len(LARGE) - 10, 5, LARGEST, PART + 3, PART + 40, len(LARGE) - 3, 17, len(LARGE), len(LARGE) + 9]
        for place in places:
            assert file.seek(place) == place
            assert file.read(100) == LARGE[place : place + 100]
            assert file.tell() == place + len(LARGE[place : place + 100])
        assert file.seek(-7, io.SEEK_END) == len(LARGE) - 7
        assert file.seek(3, io.SEEK_CUR) == len(LARGE) - 4
        assert file.read() == LARGE[-4:]
        file.seek(0)
        assert file.read() == LARGE
