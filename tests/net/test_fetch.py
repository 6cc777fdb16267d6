# SPDX-License-Identifier: Apache-2.0
"""Recordings from URLs, from servers that are slow, endless, wrong, and pointing elsewhere."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from tests.net.far import Far, response

from harken.errors import (
    AddressRefused,
    DiskFull,
    FetchError,
    FetchFailed,
    FetchTimeout,
    InvalidOption,
    JobCancelled,
    UploadTooLarge,
)
from harken.net.addresses import networks
from harken.net.fetch import IsPage, fetched
from harken.net.guard import Guard
from harken.net.landing import sweep
from harken.net.watch import Limits

LIMITS = Limits(max_bytes=1_000_000)
SOUND = b"RIFF\0\0" + bytes(range(256)) * 400


def get(url: str, spool: Path, guard: Guard, limits: Limits = LIMITS) -> bytes:
    with fetched(url, spool, guard, limits) as upload:
        content = upload.path.read_bytes()
        assert (upload.size, upload.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    return content


def test_a_file_is_as_if_it_had_been_uploaded(far: Far, guard: Guard, spool: Path) -> None:
    url = far.page("/a/talk%201.wav", response(SOUND, content_type="application/octet-stream"))
    seen: list[tuple[int, int | None]] = []
    with fetched(url + "?token=x", spool, guard, LIMITS, progress=lambda *now: seen.append(now)) as upload:
        assert upload.path.read_bytes() == SOUND
        assert upload.filename == "talk 1.wav"
        assert upload.path.stat().st_mode & 0o077 == 0
        assert upload.path.suffix == ".upload"  # what a starting server sweeps
    assert seen[-1] == (len(SOUND), len(SOUND))
    assert [total for _, total in seen] == [len(SOUND)] * len(seen)


def test_nothing_tells_who_asks(far: Far, guard: Guard, spool: Path) -> None:
    """No credentials, cookies or referrer, to the first host or to the next."""
    end = far.page("/end.wav", response(SOUND))
    start = far.page("/start", response(status="302 Found", location=end, set_cookie="a=b"))
    get(start, spool, guard)
    for request in far.requests:
        names = {line.partition(b":")[0].lower() for line in request.split(b"\r\n")[1:] if line}
        assert names == {b"host", b"user-agent", b"accept", b"accept-encoding", b"connection"}


def test_the_server_may_name_the_file(far: Far, guard: Guard, spool: Path) -> None:
    named = 'attachment; filename="../../etc/pass\twd"'
    url = far.page("/download", response(SOUND, content_disposition=named))
    with fetched(url, spool, guard, LIMITS) as upload:
        assert upload.filename == "passwd"


def test_chunks_without_a_length(far: Far, guard: Guard, spool: Path) -> None:
    half = len(SOUND) // 2
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (SOUND[:half], SOUND[half:])) + b"0\r\n\r\n"
    url = far.page("/chunks", response(body, content_length="", transfer_encoding="chunked"))
    assert get(url, spool, guard) == SOUND


def test_redirects_are_followed_one_by_one(far: Far, guard: Guard, spool: Path) -> None:
    far.page("/deep/c.wav", response(SOUND))
    far.page("/b", response(status="307 Temporary Redirect", location="deep/c.wav"))
    url = far.page("/a", response(status="301 Moved", location=f"//127.0.0.1:{far.port}/b"))
    with fetched(url, spool, guard, LIMITS) as upload:
        assert upload.filename == "c.wav"


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::1]:8080/",
        "http://inside.example:8080/",
        "http://127.0.0.1:22/",
    ],
)
def test_a_redirect_to_a_private_address_is_refused(location: str, far: Far, spool: Path) -> None:
    guard = Guard(
        networks(["127.0.0.1"]), resolve=lambda host, port: ["192.168.0.1"] if host == "inside.example" else [host]
    )
    url = far.page("/a", response(status="302 Found", location=location))
    with pytest.raises(AddressRefused) as caught:
        get(url, spool, guard)
    assert not any(inside in caught.value.message for inside in ("169.", "10.0", "192.", "inside", "::1"))


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://user:pass@127.0.0.1/", "http://0x7f.1/", "//[", ""])
def test_a_redirect_to_what_cannot_be_called(location: str, far: Far, guard: Guard, spool: Path) -> None:
    url = far.page("/a", response(status="302 Found", location=location))
    with pytest.raises(FetchFailed, match="redirects to"):
        get(url, spool, guard)
    assert len(far.requests) == 1


def test_redirects_have_an_end(far: Far, guard: Guard, spool: Path) -> None:
    url = far.page("/a", response(status="302 Found", location="/a"))
    with pytest.raises(FetchFailed, match="more than 3 times"):
        get(url, spool, guard, Limits(max_bytes=1000, redirects=3))
    assert len(far.requests) == 4


def test_the_name_is_asked_for_and_the_checked_address_is_called(spool: Path) -> None:
    """TLS is for the name, the connection to the address; a name that changes its address later is not followed."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("recordings.example").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        if host == "127.0.0.1":
            return [host]
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with Far(tls=server) as far:
        far.page("/a.wav", response(SOUND))
        guard = Guard(networks(["127.0.0.1"]), resolve=resolve)
        with fetched(far.url("/a.wav", "Recordings.example."), spool, guard, LIMITS, tls=trusting) as upload:
            assert upload.size == len(SOUND)
        assert far.names == ["recordings.example"]
        assert b"\r\nHost: recordings.example:%d\r\n" % far.port in far.requests[0]
        assert asked == ["recordings.example"]
        with (
            pytest.raises(FetchFailed, match="certificate"),
            fetched(far.url("/a.wav"), spool, guard, LIMITS, tls=trusting),
        ):
            pass
        with pytest.raises(FetchFailed, match="certificate"):
            get(far.url("/a.wav"), spool, guard)


def test_a_length_that_is_too_much_is_refused_before_it_comes(far: Far, guard: Guard, spool: Path) -> None:
    url = far.page("/a", response(content_length="1000001"))
    with pytest.raises(UploadTooLarge, match="1000000"):
        get(url, spool, guard)


def _endless(far: Far, head: bytes, piece: bytes) -> Callable[[socket.socket, bytes], None]:
    def answer(line: socket.socket, request: bytes) -> None:
        line.sendall(head)
        while not far.closing.is_set():
            line.sendall(piece)

    return answer


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_what_never_ends_is_cut_off(head: bytes, far: Far, guard: Guard, spool: Path) -> None:
    piece = b"1000\r\n" + bytes(4096) + b"\r\n" if b"chunked" in head else bytes(4096)
    url = far.page("/a", _endless(far, head, piece))
    with pytest.raises(UploadTooLarge):
        get(url, spool, guard)


def test_memory_does_not_grow_with_the_file(far: Far, guard: Guard, spool: Path) -> None:
    size = 64 * 1024 * 1024

    def answer(line: socket.socket, request: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = bytes(1024 * 1024)
        for _ in range(size // len(piece)):
            line.sendall(piece)

    url = far.page("/a", answer)
    tracemalloc.start()
    try:
        with fetched(url, spool, guard, Limits(max_bytes=size)) as upload:
            assert upload.size == size
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_packed_bodies_are_refused(far: Far, guard: Guard, spool: Path) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    for encoding in ("gzip", "br", "deflate, gzip"):
        url = far.page("/a", response(bomb, content_encoding=encoding))
        with pytest.raises(FetchFailed, match="compressed"):
            get(url, spool, guard)
    # Packed for the way only: we did not ask for that either.
    with pytest.raises(FetchFailed):
        get(far.page("/b", response(bomb, content_length="", transfer_encoding="gzip, chunked")), spool, guard)
    assert b"accept-encoding: identity" in far.requests[0].lower()


@pytest.mark.parametrize(
    "wrong",
    [
        response(SOUND, content_length=str(len(SOUND) + 1)),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        response(SOUND, status="206 Partial Content"),
        response(SOUND, status="404 Not Found"),
        response(status="204 No Content"),
        response(status="304 Not Modified"),
        response(SOUND, status="503 Busy"),
    ],
)
def test_what_is_cut_short_or_no_answer_is_no_recording(wrong: bytes, far: Far, guard: Guard, spool: Path) -> None:
    with pytest.raises(FetchFailed):
        get(far.page("/a", wrong), spool, guard)


def _silent(far: Far) -> Callable[[socket.socket, bytes], None]:
    def answer(line: socket.socket, request: bytes) -> None:
        far.closing.wait()

    return answer


def test_a_server_that_says_nothing(far: Far, guard: Guard, spool: Path) -> None:
    url = far.page("/a", _silent(far))
    with pytest.raises(FetchTimeout, match="silent"):
        get(url, spool, guard, Limits(max_bytes=1000, idle=0.1))


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_trickles_is_bounded_by_the_total(head: bytes, far: Far, guard: Guard, spool: Path) -> None:
    def answer(line: socket.socket, request: bytes) -> None:
        line.sendall(head)
        while not far.closing.wait(0.02):
            line.sendall(b"x")

    with pytest.raises(FetchTimeout, match=r"within 0\.6 s"):
        get(far.page("/a", answer), spool, guard, Limits(max_bytes=1000, total=0.6))


def test_tls_that_never_begins_is_bounded(spool: Path, guard: Guard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(FetchTimeout):
            get(url, spool, guard, Limits(max_bytes=1000, connect=0.1))


def test_cancelling_ends_a_silent_download(far: Far, guard: Guard, spool: Path) -> None:
    begun = threading.Event()

    def answer(line: socket.socket, request: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + SOUND)
        begun.set()
        far.closing.wait()

    url = far.page("/a", answer)
    with pytest.raises(JobCancelled), fetched(url, spool, guard, LIMITS, cancelled=begun.is_set):
        pass


def test_a_full_disk_is_noticed(far: Far, guard: Guard, spool: Path) -> None:
    url = far.page("/a", response(SOUND))
    with pytest.raises(DiskFull):
        get(url, spool, guard, Limits(max_bytes=1_000_000, min_free=2**62))


def test_whoever_takes_the_file_away_keeps_it(far: Far, guard: Guard, spool: Path, tmp_path: Path) -> None:
    with fetched(far.page("/a", response(SOUND)), spool, guard, LIMITS) as upload:
        upload.path.rename(tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == SOUND


def test_an_error_of_who_wants_it_leaves_nothing(far: Far, guard: Guard, spool: Path) -> None:
    url = far.page("/a", response(SOUND))
    with contextlib.suppress(KeyError), fetched(url, spool, guard, LIMITS):
        raise KeyError

    def fail(done: int, total: int | None) -> None:
        raise KeyError

    with pytest.raises(KeyError), fetched(url, spool, guard, LIMITS, progress=fail):
        pass


@pytest.mark.parametrize(
    "page",
    [
        response(b"\xef\xbb\xbf\n<!DOCTYPE HTML><title>x</title>", content_type="application/octet-stream"),
        response(b"<!-- a --><p>text", content_type="text/html; charset=utf-8"),
        response(b"#EXTM3U\n#EXTINF:10,\nhttp://169.254.169.254/\n", content_type="audio/mpeg"),
        response(b'<?xml version="1.0"?>\n<MPD></MPD>', content_type="application/dash+xml"),
    ],
)
def test_pages_and_playlists_are_told_apart(page: bytes, far: Far, guard: Guard, spool: Path) -> None:
    with pytest.raises(IsPage):
        get(far.page("/a", page), spool, guard)


def test_bytes_and_not_names_tell_a_page(far: Far, guard: Guard, spool: Path) -> None:
    assert get(far.page("/a", response(SOUND, content_type="text/html")), spool, guard) == SOUND


def test_an_address_that_cannot_be_called_is_an_option_at_fault(spool: Path, guard: Guard) -> None:
    with pytest.raises(InvalidOption, match="http://"):
        get("ftp://example.com/a.wav", spool, guard)
    assert not issubclass(InvalidOption, FetchError)


def test_what_killed_processes_left_is_swept(far: Far, guard: Guard, spool: Path) -> None:
    dead, fresh, other = spool / "dead.upload", spool / "fresh.upload", spool / "notes.txt"
    with fetched(far.page("/a", response(SOUND)), spool, guard, LIMITS) as upload:
        for path in (dead, fresh, other):
            path.write_bytes(b"x")
        for path in (dead, other, upload.path):
            os.utime(path, (1.0, 1.0))
        sweep(spool)
        assert {path.name for path in spool.iterdir()} == {"fresh.upload", "notes.txt", upload.path.name}
    for path in (fresh, other):
        path.unlink()
