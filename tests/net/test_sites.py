# SPDX-License-Identifier: Apache-2.0
"""Recordings on pages: what yt-dlp finds by the guard's leave, and what it may not do."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from tests.net.far import Far, response

from harken.errors import (
    AddressRefused,
    AudioTooLong,
    FetchError,
    FetchFailed,
    FetchTimeout,
    HarkenError,
    InvalidOption,
    JobCancelled,
    UploadTooLarge,
)
from harken.net import sites
from harken.net.addresses import networks
from harken.net.guard import Guard
from harken.net.recordings import obtained
from harken.net.sites import found, sweep
from harken.net.watch import Limits

LIMITS = Limits(max_bytes=1_000_000)
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 800


def page_of(far: Far, link: str, path: str = "/talk") -> str:
    html = f"<html><head><title>A talk</title></head><body><video src='{link}'></video></body></html>"
    return far.page(path, response(html.encode(), content_type="text/html"))


def get(url: str, spool: Path, guard: Guard, limits: Limits = LIMITS) -> bytes:
    with found(url, spool, guard, limits) as upload:
        return upload.path.read_bytes()


def silent(far: Far, reached: threading.Event) -> Callable[[socket.socket, bytes], None]:
    def answer(line: socket.socket, request: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + VIDEO)
        reached.set()
        far.closing.wait()

    return answer


def test_the_video_on_a_page(far: Far, guard: Guard, spool: Path) -> None:
    """By the door that jobs use: the page is told from a file by its bytes."""
    far.page("/video.mp4", response(VIDEO, content_type="video/mp4"))
    seen: list[int] = []
    url = page_of(far, "/video.mp4")
    with obtained(url, spool, guard, LIMITS, progress=lambda done, total: seen.append(done)) as upload:
        assert upload.path.read_bytes() == VIDEO
        assert upload.size == len(VIDEO)
        assert upload.filename.startswith("A talk")
        assert upload.filename.endswith(".mp4")
        assert list(spool.iterdir()) == [upload.path]
    assert seen[-1] == len(VIDEO)
    assert b"authorization" not in b"".join(far.requests).lower()


def test_a_package_that_was_never_imported_stays_whole(
    far: Far, spool: Path, guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the limit of the recording's size, what Python compiles would be cut off, and be found broken for ever."""
    spec = importlib.util.find_spec("yt_dlp")
    assert spec is not None
    assert spec.origin is not None
    fresh = tmp_path / "packages" / "yt_dlp"
    shutil.copytree(Path(spec.origin).parent, fresh, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(fresh.parent)
    # The environment of these tests has a copy of its own, which would be found first.
    monkeypatch.setattr(sys, "executable", str(Path(sys.base_prefix) / "bin" / "python3"))
    far.page("/video.mp4", response(VIDEO, content_type="video/mp4"))
    assert get(page_of(far, "/video.mp4"), spool, guard) == VIDEO
    assert list(fresh.rglob("*.pyc")) == []


def test_a_playlist_of_pieces(far: Far, guard: Guard, spool: Path) -> None:
    pieces = [VIDEO[:100_000], VIDEO[100_000:]]
    for number, piece in enumerate(pieces):
        far.page(f"/{number}.ts", response(piece, content_length="", transfer_encoding=""))
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", "#EXTINF:10,", "0.ts", "#EXTINF:10,", "1.ts", "#EXT-X-ENDLIST", ""]
    url = far.page("/list.m3u8", response("\n".join(lines).encode(), content_type="application/vnd.apple.mpegurl"))
    with obtained(url, spool, guard, LIMITS) as upload:
        assert upload.path.read_bytes() == VIDEO


@pytest.mark.parametrize(
    "link", ["http://10.1.2.3/v.mp4", "http://inside.example:8000/v.mp4", "/moved.mp4", "http://0x7f.1/v.mp4"]
)
def test_a_page_that_points_inside_is_refused(link: str, far: Far, spool: Path) -> None:
    guard = Guard(
        networks(["127.0.0.1"]), resolve=lambda host, port: ["192.168.0.1"] if host == "inside.example" else [host]
    )
    far.page("/moved.mp4", response(status="302 Found", location="http://169.254.169.254/latest/meta-data/"))
    with pytest.raises(AddressRefused) as caught:
        get(page_of(far, link), spool, guard)
    assert not any(inside in caught.value.message for inside in ("10.1", "192.", "169.", "inside"))


def test_pieces_of_a_playlist_are_checked_too(far: Far, guard: Guard, spool: Path) -> None:
    lines = ["#EXTM3U", "#EXTINF:10,", "http://10.1.2.3/0.ts", "#EXT-X-ENDLIST", ""]
    with pytest.raises(AddressRefused):
        get(far.page("/list.m3u8", response("\n".join(lines).encode())), spool, guard)


def test_a_private_page_is_refused(far: Far, spool: Path) -> None:
    with pytest.raises(AddressRefused):
        get(far.url("/talk"), spool, Guard())
    with pytest.raises(InvalidOption):
        get("file:///etc/passwd", spool, Guard())
    assert far.calls == 0


def test_a_page_behind_tls(spool: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Through the tunnel: the certificate is checked against the name, the address by the guard."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("talks.example").configure_cert(server)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with Far(tls=server) as far:
        far.page("/video.mp4", response(VIDEO, content_type="video/mp4"))
        page_of(far, "/video.mp4")
        guard = Guard(networks(["127.0.0.1"]), resolve=lambda host, port: ["127.0.0.1"])
        assert get(far.url("/talk", "talks.example"), spool, guard) == VIDEO
        assert set(far.names) == {"talks.example"}
        with pytest.raises(FetchFailed):
            get(far.url("/talk", "others.example"), spool, guard)


def test_pages_without_a_recording(far: Far, guard: Guard, spool: Path) -> None:
    empty = far.page("/empty", response(b"<html><title>x</title></html>", content_type="text/html"))
    with pytest.raises(FetchFailed, match="no recording"):
        get(empty, spool, guard)
    feed = far.page(
        "/feed", response(b"<?xml version='1.0'?><rss version='2.0'><channel><title>x</title></channel></rss>")
    )
    with pytest.raises(FetchFailed, match="no recording"):
        get(feed, spool, guard)
    with pytest.raises(FetchFailed) as caught:
        get(page_of(far, "/missing.mp4"), spool, guard)
    assert "127.0.0.1" not in caught.value.message


@pytest.mark.parametrize(
    ("ending", "error"),
    [(["#EXTINF:7200,", "0.ts", "#EXT-X-ENDLIST"], AudioTooLong), (["#EXTINF:10,", "0.ts"], FetchFailed)],
)
def test_what_is_too_long_or_live_is_not_fetched(
    ending: list[str], error: type[HarkenError], far: Far, guard: Guard, spool: Path
) -> None:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", *ending, ""]
    url = far.page("/list.m3u8", response("\n".join(lines).encode(), content_type="application/vnd.apple.mpegurl"))
    with pytest.raises(error, match=r"longer|live"):
        get(url, spool, guard, Limits(max_bytes=1_000_000, max_audio=3600.0))
    assert not any(request.startswith(b"GET /0.ts") for request in far.requests)


def test_a_recording_that_is_cut_short_is_none(far: Far, guard: Guard, spool: Path) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(VIDEO)
    far.page("/video.mp4", cut + VIDEO + b"\r\n")
    with pytest.raises(FetchError):
        get(page_of(far, "/video.mp4"), spool, guard)


def test_a_recording_that_never_ends(far: Far, guard: Guard, spool: Path) -> None:
    def endless(line: socket.socket, request: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n")
        while not far.closing.is_set():
            line.sendall(VIDEO)

    far.page("/video.mp4", endless)
    with pytest.raises(UploadTooLarge):
        get(page_of(far, "/video.mp4"), spool, guard)


def test_time_is_bounded_and_nothing_goes_on(far: Far, guard: Guard, spool: Path) -> None:
    before = psutil.Process().children(recursive=True)
    far.page("/video.mp4", silent(far, threading.Event()))
    with pytest.raises(FetchTimeout):
        get(page_of(far, "/video.mp4"), spool, guard, Limits(max_bytes=1_000_000, total=1.0))
    assert psutil.Process().children(recursive=True) == before


def test_cancelling_stops_it(far: Far, guard: Guard, spool: Path) -> None:
    before = psutil.Process().children(recursive=True)
    reached = threading.Event()
    far.page("/video.mp4", silent(far, reached))
    with pytest.raises(JobCancelled), found(page_of(far, "/video.mp4"), spool, guard, LIMITS, cancelled=reached.is_set):
        pass
    assert psutil.Process().children(recursive=True) == before


def test_it_ends_with_who_started_it(far: Far, tmp_path: Path) -> None:
    """A killed server leaves no yt-dlp at work; what lies in the spool folder is swept at the next start."""
    reached = threading.Event()
    far.page("/video.mp4", silent(far, reached))
    code = (
        "import sys, pathlib\n"
        "from harken.net.sites import found\n"
        "from harken.net.guard import Guard\n"
        "from harken.net.addresses import networks\n"
        "from harken.net.watch import Limits\n"
        "with found(sys.argv[1], pathlib.Path(sys.argv[2]), Guard(networks(['127.0.0.1'])), Limits(1000000)): pass\n"
    )
    url = page_of(far, "/video.mp4")
    with subprocess.Popen([sys.executable, "-c", code, url, str(tmp_path)]) as parent:
        assert reached.wait(60)
        (child,) = psutil.Process(parent.pid).children(recursive=True)
        sweep(tmp_path)  # in use
        assert len(list(tmp_path.glob("*.site"))) == 1
        parent.send_signal(signal.SIGKILL)
    psutil.wait_procs([child], timeout=120)
    assert not child.is_running()
    sweep(tmp_path)
    assert list(tmp_path.glob("*.site")) == []


def test_no_settings_and_no_plugins_of_the_machine(
    far: Far, guard: Guard, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = tmp_path / "evil"
    mark = tmp_path / "mark"
    (evil / "yt_dlp_plugins" / "extractor").mkdir(parents=True)
    (evil / "yt_dlp_plugins" / "extractor" / "evil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (evil / "yt-dlp").mkdir()
    (evil / "yt-dlp" / "config").write_text(f"--exec 'touch {mark}'\n--proxy http://127.0.0.1:1\n")
    for name in ("PYTHONPATH", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, str(evil))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    far.page("/video.mp4", response(VIDEO, content_type="video/mp4"))
    assert get(page_of(far, "/video.mp4"), spool, guard) == VIDEO
    assert not mark.exists()


FORBIDDEN = {
    "another port": "socket.create_connection(('127.0.0.1', {port}))",
    "another address": "socket.create_connection(('10.0.0.1', 80), 1)",
    "IPv6": "socket.socket(socket.AF_INET6).connect(('::1', {port}))",
    "a socket file": "socket.socket(socket.AF_UNIX).connect('/tmp/x')",
    "names": "socket.getaddrinfo('example.com', 80)",
    "older names": "socket.gethostbyname('example.com')",
    "datagrams": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "listening": "socket.socket().bind(('127.0.0.1', 0))",
    "programs": "subprocess.run(['true'])",
    "the shell": "os.system('true')",
    "exec": "os.execv('/bin/true', ['true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {{}})",
    "fork": "os.fork()",
}


@pytest.mark.parametrize("attempt", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_fence_holds_whatever_a_page_brings_yt_dlp_to_do(attempt: str, far: Far) -> None:
    code = (
        "import runpy, socket, subprocess, os, sys\n"
        f"child = runpy.run_path({str(sites._CHILD)!r})\n"
        "sys.addaudithook(child['_Fence'](9, None))\n"
        f"try: {attempt.format(port=far.port)}\n"
        "except PermissionError as error: sys.exit(0 if 'not for this process' in str(error) else 1)\n"
        "sys.exit(2)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert far.calls == 0


@contextmanager
def child(stand_in: Path, does: str, **order: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The process as it is started, with a program in yt-dlp's place that ``does`` something."""
    package = stand_in / "yt_dlp"
    package.mkdir()
    (package / "__init__.py").write_text(
        "class YoutubeDL:\n"
        "    def __init__(self, options): pass\n"
        "    def __enter__(self): return self\n"
        "    def __exit__(self, *rest): pass\n"
        f"    def extract_info(self, url): {does}\n"
    )
    (package / "utils.py").write_text(
        "class DownloadError(Exception): exc_info = None\n"
        "ExtractorError = UnsupportedError = type('E', (Exception,), {})\n"
        "YoutubeDLError = DownloadError\n"
    )
    limits = {"idle": 1, "max_bytes": 1000, "memory": 200_000_000, "seconds": 60}
    told = limits | {"url": "", "proxy": "", "port": 9, "engine": None, "packages": str(stand_in)} | order
    with subprocess.Popen(
        [sys.executable, "-P", str(sites._CHILD)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=stand_in,
        env=os.environ | {"PYTHONPATH": str(stand_in)},  # before the real one
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(told).encode() + b"\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("bytearray(400_000_000)", "MemoryError"),
        ("__import__('pathlib').Path('file').write_bytes(bytes(2000))", "File too large"),
    ],
)
def test_memory_and_files_are_bounded(does: str, reason: str, tmp_path: Path) -> None:
    with child(tmp_path, does) as process:
        assert process.stderr is not None
        told = json.loads(process.stderr.readline())
    assert told["failed"] == "broken"
    assert reason in told["reason"]


def test_computing_is_bounded(tmp_path: Path) -> None:
    with child(tmp_path, "exec('while True: pass')", seconds=1) as process:
        assert process.wait(60) in {-signal.SIGXCPU, -signal.SIGKILL}


def test_whoever_asked_being_gone_is_noticed_at_work(tmp_path: Path) -> None:
    with child(
        tmp_path, "print('begun', file=__import__('sys').stderr, flush=True), __import__('time').sleep(600)"
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"begun\n"
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 1
