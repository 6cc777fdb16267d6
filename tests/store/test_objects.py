# SPDX-License-Identifier: Apache-2.0
"""Recordings in a bucket: what holds there alone. See test_blob_stores.py for the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest
from tests.s3 import PATIENCE, S3Server, until

from harken.audio.remote import connect
from harken.errors import AudioGone, StorageMisconfigured, StorageUnavailable
from harken.ports import Arrival
from harken.store.objects import PART, S3Blobs

BLOCK = os.urandom(2**20)


@pytest.fixture
def blobs(bucket: str) -> S3Blobs:
    return S3Blobs(f"{bucket}/talks", max_bytes=2**31)


def test_it_is_in_the_store_while_it_arrives(blobs: S3Blobs, bucket: str, s3: S3Server) -> None:
    """And in memory are some parts of it at most."""
    process = psutil.Process()
    with blobs.arriving() as arrival:
        for _ in range(3 * PART // len(BLOCK)):
            arrival.write(BLOCK)
        assert [upload.key for upload in until(lambda: s3.uploads(f"{bucket}/talks"))] == [arrival.key]
        assert not blobs.keys(), "it is no recording yet"
        before = process.memory_info().rss
        for _ in range(96):
            arrival.write(BLOCK)
        assert process.memory_info().rss - before < 4 * PART
        arrival.finish()
        assert s3.objects(f"{bucket}/talks") == {arrival.key: (96 + 3 * PART // len(BLOCK)) * len(BLOCK)}
    assert (s3.objects(bucket), s3.uploads(bucket)) == ({}, [])


def test_who_hangs_up_leaves_no_upload(blobs: S3Blobs, bucket: str, s3: S3Server) -> None:
    with blobs.arriving() as arrival:
        for _ in range(3 * PART // len(BLOCK)):
            arrival.write(BLOCK)
        until(lambda: s3.uploads(f"{bucket}/talks"))
    assert (s3.objects(bucket), s3.uploads(f"{bucket}/talks")) == ({}, [])


def test_parts_are_as_large_as_the_largest_recording_needs(bucket: str) -> None:
    assert S3Blobs(bucket, max_bytes=2**30)._part == PART
    assert S3Blobs(bucket, max_bytes=2**40)._part * 10_000 >= 2**40


def test_what_a_killed_process_left_is_dropped(bucket: str, s3: S3Server, blobs: S3Blobs) -> None:
    script = (
        "import sys, time; from harken.store.objects import S3Blobs\n"
        "with S3Blobs(sys.argv[1], max_bytes=2**30).arriving() as arrival:\n"
        "    for _ in range(12): arrival.write(bytes(2**20))\n"
        "    print(arrival.key, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, f"{bucket}/talks"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        key = process.stdout.readline().strip()
        until(lambda: s3.uploads(f"{bucket}/talks"))
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    assert [upload.key for upload in s3.uploads(f"{bucket}/talks")] == [key]
    blobs.sweep()
    assert [upload.key for upload in s3.uploads(f"{bucket}/talks")] == [key], "it may go on, as far as anybody knows"
    other = S3Blobs(f"{bucket}/other", max_bytes=2**31)
    other.sweep(older_than=-60.0)
    assert s3.uploads(f"{bucket}/talks"), "that is another's"
    blobs.sweep(older_than=-60.0)
    assert s3.uploads(f"{bucket}/talks") == []


def test_strangers_objects_are_no_recordings(blobs: S3Blobs, bucket: str, s3: S3Server) -> None:
    from obstore import put

    from harken.audio.remote import connect

    client = connect(f"{bucket}/talks", timeout="60s", retry=60.0)
    put(client, "README", b"not ours")
    put(client, f"deeper/{uuid.uuid4()}", b"not ours")
    assert blobs.keys() == set()


def test_a_recording_that_is_removed_while_it_is_read(blobs: S3Blobs) -> None:
    with blobs.arriving() as arrival:
        arrival.write(BLOCK)
        with arrival.finish().open() as file:
            file.read(10)
            blobs.delete(arrival.key)
            with pytest.raises(AudioGone):
                file.read()


def test_what_operators_are_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"s3://harken-{uuid.uuid4().hex}"
    with pytest.raises(StorageMisconfigured, match="the bucket is not there"):
        S3Blobs(nowhere, max_bytes=2**30).check()
    with pytest.raises(StorageMisconfigured, match="the bucket is not there"):
        S3Blobs(nowhere, max_bytes=2**30).source(str(uuid.uuid4()))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    with pytest.raises(StorageMisconfigured, match="the secret key is wrong") as wrong:
        S3Blobs(f"{bucket}/a", max_bytes=2**30).try_out()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    with pytest.raises(StorageMisconfigured, match="the key is not known there") as unknown:
        S3Blobs(f"{bucket}/b", max_bytes=2**30).try_out()
    assert "hush" not in f"{wrong.value} {unknown.value}"
    assert "somebody" not in str(unknown.value)
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere")
    with pytest.raises(StorageMisconfigured, match="AWS_CA_BUNDLE"):
        S3Blobs(f"{bucket}/c", max_bytes=2**30)


def _on_and_on(arrival: Arrival) -> None:
    while True:
        arrival.write(BLOCK)


def test_a_store_that_is_away(fragile_s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in fragile_s3.env.items():
        monkeypatch.setenv(name, value)
    bucket = fragile_s3.make_bucket(f"harken-{uuid.uuid4().hex}")
    blobs = S3Blobs(bucket, max_bytes=2**30)
    # As patient with what is slow as ever, and none of the twenty seconds for what is away.
    monkeypatch.setattr(blobs, "_client", connect(bucket, timeout="60s", retry=0.0))
    with blobs.arriving() as arrival:
        arrival.write(BLOCK)
        source = arrival.finish()
        arrival.keep()
    with source.open() as file, blobs.arriving() as broken:
        file.read(10)
        for _ in range(2 * PART // len(BLOCK)):
            broken.write(BLOCK)
        fragile_s3.stop()
        with pytest.raises(StorageUnavailable):
            file.read()
        for call in (blobs.check, lambda: blobs.source(arrival.key), lambda: blobs.delete(arrival.key), blobs.keys):
            with pytest.raises(StorageUnavailable) as error:
                call()
            assert not isinstance(error.value, StorageMisconfigured)
        with pytest.raises(StorageUnavailable):
            _on_and_on(broken)
        fragile_s3.start()
        file.seek(10)
        assert file.read() == BLOCK[10:], "the same file goes on"
    assert until(blobs.keys) == {arrival.key}
