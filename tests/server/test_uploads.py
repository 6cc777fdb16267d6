# SPDX-License-Identifier: Apache-2.0
"""Uploads that go wrong, over raw connections: limits, malformed bodies, clients that vanish. Nothing stays behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import PATIENCE, until, wav

from harken.model import MediaInfo
from harken.server.multipart import MAX_FIELD_BYTES, MAX_FIELDS
from harken.server.uploads import OVERHEAD

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

BOUNDARY = "----a-boundary"
PATH = "/v1/audio/transcriptions"
HEAD = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
END = f"\r\n--{BOUNDARY}--\r\n".encode()


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    extra = "" if filename is None else f'; filename="{filename}"'
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + value + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def post(server: Running, content: Any, headers: dict[str, str] | None = None, path: str = PATH) -> httpx.Response:
    return httpx.post(server.url + path, content=content, headers={**HEAD, **(headers or {})}, timeout=PATIENCE)


def error(answer: httpx.Response) -> tuple[int, str, str | None]:
    told = answer.json()["error"]
    return answer.status_code, told["code"], told["param"]


@pytest.fixture
def raw(server: Running) -> Iterator[socket.socket]:
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as connection:
        yield connection


def head(length: int | None) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n{size}\r\nContent-Type: {HEAD['Content-Type']}\r\n\r\n".encode()


def vanish(connection: socket.socket) -> None:
    """Close with a reset, as a client that is killed does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_chunked_without_length(server: Running, recording: bytes) -> None:
    """As openai-node and a raw http.client send it."""
    content = body(part("model", b"whisper-1"), part("file", recording, "a.wav"))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request(
        "POST",
        PATH,
        body=(content[at : at + 7000] for at in range(0, len(content), 7000)),
        headers=HEAD,
        encode_chunked=True,
    )
    answer = connection.getresponse()
    assert answer.status == 200
    assert json.loads(answer.read())["text"].startswith("Hello")
    connection.close()
    submission = server.backend.submissions[0]
    assert submission.job.size == len(recording)
    server.clean()


def test_what_arrives_is_what_was_sent(server: Running) -> None:
    """Whatever bytes, boundaries half written included, byte by byte at the seams."""
    nasty = b"RIFF" + f"\r\n--{BOUNDARY[:-1]}\r\n--{BOUNDARY}"[:-1].encode() + bytes(range(256)) * 9000 + b"\r\n--\r\n-"
    content = body(part("file", nasty, "a.wav"))

    def trickle() -> Iterator[bytes]:
        yield content[:200]
        for at in range(200, 400):
            yield content[at : at + 1]
        yield content[400:]

    probe_through(server)
    assert post(server, trickle()).status_code == 200
    assert [(server.backend.folder / key).read_bytes() for key in sorted(server.backend.keys())] == [nasty]
    assert server.backend.submissions[0].fingerprint
    server.clean()


def probe_through(server: Running) -> None:
    """Let everything pass for media."""
    server.service._probe = lambda _: MediaInfo(3.0, 1, 16_000, "pcm", "wav", has_video=False)


def test_fields_after_the_recording(server: Running, recording: bytes) -> None:
    late = post(server, body(part("file", recording, "a.wav"), part("model", b"tiny"), part("language", b"French")))
    assert late.status_code == 200
    assert server.backend.only().options.model == "tiny"
    assert server.backend.only().options.language == "fr"
    bad = post(server, body(part("file", recording, "a.wav"), part("model", b"none-such")))
    assert error(bad) == (400, "model_not_found", "model")
    server.clean()


def test_a_bad_field_before_the_recording_is_told_at_once(server: Running, raw: socket.socket) -> None:
    raw.sendall(head(10**9) + part("model", b"none-such") + part("file", b"RIFF", "a.wav")[:-2] + bytes(1024 * 1024))
    answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400")
    while b"model_not_found" not in answer:
        answer += raw.recv(4096)
    raw.close()
    server.clean()


@pytest.mark.parametrize("declared", [True, False])
def test_too_large(serve: Serve, declared: bool) -> None:
    server = serve(max_upload_bytes=3 * OVERHEAD)
    content = body(part("file", bytes(20 * OVERHEAD), "a.wav"))
    pieces = (content[at : at + 65536] for at in range(0, len(content), 65536))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    if declared:
        connection.request("POST", PATH, body=content, headers=HEAD)
    else:
        connection.request("POST", PATH, body=pieces, headers=HEAD, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 413, "the client learns why, though it was still sending"
    assert json.loads(answer.read())["error"]["code"] == "upload_too_large"
    connection.close()
    server.clean()
    assert not server.backend.submissions


def test_a_recording_just_over_the_limit(serve: Serve) -> None:
    server = serve(max_upload_bytes=1000)
    assert error(post(server, body(part("file", bytes(1001), "a.wav"))))[:2] == (413, "upload_too_large")
    assert error(post(server, body(part("file", bytes(1000), "a.wav"))))[:2] == (415, "not_media")


def test_too_long(server: Running) -> None:
    answer = post(server, body(part("file", wav(3601, rate=1000), "a.wav")))
    assert error(answer)[:2] == (413, "audio_too_long")
    server.clean()
    assert server.backend.keys() == set()


def test_expect_continue_is_answered_without_the_body(serve: Serve) -> None:
    server = serve(max_upload_bytes=1000)
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as connection:
        connection.sendall(head(10**9).replace(b"\r\nHost", b"\r\nExpect: 100-continue\r\nHost"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("step", ["before", "during"])
def test_disk_nearly_full(serve: Serve, recording: bytes, step: str) -> None:
    asked = 0

    def free(_: Path) -> int:
        nonlocal asked
        asked += 1
        return 10_000_000 if step == "during" and asked == 1 else 1000

    server = serve(min_free_bytes=5000, free_bytes=free)
    assert error(post(server, body(part("file", recording, "a.wav"))))[:2] == (507, "disk_full")
    server.clean()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_disk_really_full(serve: Serve, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        # The probe of the free room says that there is plenty, as when another process fills the disk meanwhile.
        server = serve(spool_dir=small / "spool", free_bytes=lambda _: 10**12)
        answer = post(server, body(part("file", bytes(16 * 1024**2), "a.wav")))
        assert error(answer)[:2] == (507, "disk_full")
        server.clean()
        assert shutil.disk_usage(small).used < 1024**2
    finally:
        subprocess.run(["umount", "-l", small], check=True)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid_request"),
        (b"not a form at all", "invalid_request"),
        (part("file", b"RIFF", "a.wav"), "invalid_request"),
        (part("file", b"RIFF", "a.wav")[:60], "invalid_request"),
        (body(b"--" + BOUNDARY.encode() + b"\r\nContent-Type: text/plain\r\n\r\nx\r\n"), "invalid_request"),
        (body(b"--" + BOUNDARY.encode() + b"\r\nnot a header\r\n\r\nx\r\n"), "invalid_request"),
        (body(part("model", b"base")), "invalid_option"),
        (body(part("file", b"RIFF", "a"), part("file", b"RIFF", "b")), "invalid_option"),
        (body(part("prompt", b"x" * (MAX_FIELD_BYTES + 1)), part("file", b"RIFF", "a")), "invalid_option"),
        (body(*[part("x", b"y")] * MAX_FIELDS, part("file", b"RIFF", "a")), "invalid_request"),
        (body(part("n" * 300, b"y"), part("file", b"RIFF", "a")), "invalid_request"),
        (body(part("prompt", b"\xff\xfe"), part("file", b"RIFF", "a")), "invalid_option"),
        (body(part("prompt", b"a\0b"), part("file", b"RIFF", "a")), "invalid_option"),
    ],
)
def test_malformed_forms(server: Running, content: bytes, code: str) -> None:
    answer = post(server, content)
    assert error(answer)[:2] == (400, code)
    server.clean()


def test_not_a_form(server: Running) -> None:
    assert error(httpx.post(server.url + PATH, json={"file": "x"}))[:2] == (415, "not_media")
    assert error(post(server, b"x", {"Content-Type": "multipart/form-data"}))[:2] == (400, "invalid_request")
    long = f"multipart/form-data; boundary={'b' * 300}"
    assert error(post(server, b"x", {"Content-Type": long}))[:2] == (400, "invalid_request")


@pytest.mark.parametrize("content", [b"", b"this is text that says it is music", bytes(5000)])
def test_what_is_not_media_is_415(server: Running, content: bytes) -> None:
    answer = httpx.post(server.url + PATH, files={"file": ("song.mp3", content, "audio/mpeg")})
    assert error(answer)[:2] == (415, "not_media")
    server.clean()
    assert server.backend.keys() == set()


def test_a_path_as_file_name_is_only_shown(server: Running, recording: bytes, tmp_path: Path) -> None:
    for name, shown in [
        ("../../etc/passwd", "passwd"),
        ("/abs/talk.wav", "talk.wav"),
        ("C:\\\\Users\\\\me\\\\talk.wav", "talk.wav"),
        ("evil\u202egnp.wav", "evilgnp.wav"),
        ("..", ".."),
        ("Größe 😀.wav", "Größe 😀.wav"),
    ]:
        answer = post(server, body(part("file", recording, name)), path="/v1/transcription-jobs")
        assert answer.status_code == 202
        assert answer.json()["filename"] == shown
    others = {path for path in tmp_path.iterdir() if not path.name.startswith("spool.sqlite")}
    assert others == {server.spool, server.backend.folder}, "beside the database of the keys"


def test_a_part_named_file_needs_no_file_name(server: Running, recording: bytes) -> None:
    assert post(server, body(part("file", recording))).status_code == 200


def test_other_files_and_unknown_fields_become_warnings(server: Running, recording: bytes) -> None:
    answer = post(
        server, body(part("colour", b"red"), part("cover", b"\xff\xd8", "c.jpg"), part("file", recording, "a.wav"))
    )
    assert answer.status_code == 200
    assert answer.json()["warnings"] == [
        "the field 'colour' is not known here and was ignored",
        "the field 'cover' is not known here and was ignored",
    ]


def test_hang_up_in_the_middle_of_an_upload(
    server: Running, raw: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    raw.sendall(head(10**8) + part("file", b"RIFF", "a.wav")[:-2] + bytes(3 * 1024**2))
    until(lambda: any(path.stat().st_size > 1024**2 for path in server.spooled()))
    vanish(raw)
    server.clean()
    assert not server.backend.submissions
    until(lambda: 'status="499"' in httpx.get(server.url + "/metrics").text)
    assert not caplog.records, "a client that leaves is no error of ours"


def test_a_client_that_stops_sending(serve: Serve) -> None:
    server = serve(upload_idle_seconds=0.3)
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as connection:
        connection.sendall(head(10**6) + part("file", b"RIFF", "a.wav"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
    server.clean()


@pytest.mark.parametrize("stream", [b"false", b"true"])
@pytest.mark.parametrize("windows", [0, 1])
def test_hang_up_while_waiting_cancels_the_job(
    server: Running, raw: socket.socket, recording: bytes, stream: bytes, windows: int
) -> None:
    server.backend.hold()
    server.backend.let(windows)
    content = body(part("stream", stream), part("file", recording, "a.wav"))
    raw.sendall(head(len(content)) + content)
    job = server.backend.only()
    if windows:
        until(lambda: server.backend.windows(job.id))
        if stream == b"true":
            heard = b""
            while b"transcript.text.delta" not in heard:
                heard += raw.recv(4096)
    vanish(raw)
    until(lambda: server.backend.job(job.id).state.value == "cancelled")
    server.clean()


def test_hang_up_with_an_idempotency_key_leaves_the_job_to_come_back_for(
    server: Running, raw: socket.socket, recording: bytes
) -> None:
    server.backend.hold()
    content = body(part("file", recording, "a.wav"))
    raw.sendall(head(len(content)).replace(b"\r\nHost", b"\r\nIdempotency-Key: k1\r\nHost") + content)
    job = server.backend.only()
    vanish(raw)
    until(lambda: 'status="499"' in httpx.get(server.url + "/metrics").text)
    server.backend.go()
    again = post(server, content, {"Idempotency-Key": "k1"})
    assert again.status_code == 200
    assert again.headers["x-harken-job"] == job.id
    assert len(server.backend.submissions) == 1


def test_leftovers_of_a_killed_server_are_swept_at_the_start(serve: Serve, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "dead.upload").write_bytes(b"x")
    (spool / "notes.txt").write_bytes(b"not ours")
    server = serve()
    assert [path.name for path in server.spooled()] == ["notes.txt"]


def test_memory_is_flat(server: Running) -> None:
    """128 MB through the server and its client, in a process that may grow by a tenth of that."""
    size = 128 * 1024**2
    block = os.urandom(1024**2)

    def content() -> Iterator[bytes]:
        yield part("file", b"", "a.bin")[:-2]
        for _ in range(size // len(block)):
            yield block
        yield END

    tracemalloc.start()
    try:
        answer = post(server, content())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error(answer)[:2] == (415, "not_media")
    assert peak < size / 10
