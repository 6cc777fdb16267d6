# SPDX-License-Identifier: Apache-2.0
"""Recordings on web pages and in playlists, as yt-dlp finds them.

yt-dlp runs strangers' pages through a great deal of code, so it has a process of its own: its traffic goes through the
guard, by a proxy, and its memory, time and output are bounded. What it reads, it hands over by a pipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import math
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harken.errors import AudioTooLong, FetchFailed, HarkenError, MissingExtra
from harken.net.addresses import parse
from harken.net.guard import Guard
from harken.net.landing import Landed, Landing, Progress, landing
from harken.net.proxy import Proxy
from harken.net.watch import Limits

_CHILD = Path(__file__).with_name("site_child.py")
_FOLDER = ".site"
_MEMORY = 1024**3
"""Bytes of data that the process, and each that it starts, may have."""
_BLOCK = 65536
_LONGEST_NOTE = 8192
_LOOK = 0.25
"""Seconds between two looks at the clock while nothing comes."""
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextmanager
def found(
    url: str,
    folder: Path,
    guard: Guard,
    limits: Limits,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Landed]:
    """The recording on the page at ``url``, its first where there are several, as :func:`~harken.net.fetch.fetched`.

    Raises:
        MissingExtra: yt-dlp is not installed.
        InvalidOption: the URL cannot be called.
        AddressRefused: the page or what it leads to may not be called.
        UploadTooLarge, AudioTooLong, DiskFull: a limit.
        FetchFailed: there is no recording on it, or it could not be had.
        FetchTimeout, JobCancelled.
    """
    spec = importlib.util.find_spec("yt_dlp")
    if spec is None or spec.origin is None:
        raise MissingExtra("recordings on web pages need the extra 'server': pip install 'harken[server]'")
    packages = Path(spec.origin).parent.parent
    url = parse(url).url
    with landing(folder, limits, progress) as landed:
        with Proxy(guard, limits, cancelled) as proxy, _working_folder(folder) as work:
            name = _read(_order(url, packages, limits, proxy), work, proxy, landed)
        yield landed.landed(name)


def sweep(folder: Path) -> None:
    """Remove working folders in ``folder`` that killed processes left behind; those in use are locked, and stay."""
    for path in folder.glob(f"*{_FOLDER}"):
        with contextlib.suppress(OSError), _locked(path):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _working_folder(folder: Path) -> Iterator[Path]:
    path = folder / f"{uuid.uuid4().hex}{_FOLDER}"
    path.mkdir(mode=0o700)
    try:
        with _locked(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _order(url: str, packages: Path, limits: Limits, proxy: Proxy) -> dict[str, Any]:
    return {
        "url": url,
        "packages": str(packages),
        "proxy": proxy.url,
        "port": proxy.port,
        "engine": shutil.which("deno"),
        "idle": limits.idle,
        "max_audio": limits.max_audio,
        "max_bytes": limits.max_bytes,
        "memory": _MEMORY,
        "seconds": math.ceil(limits.total),
    }


def _read(order: dict[str, Any], work: Path, proxy: Proxy, landed: Landing) -> str:
    """Have a process carry out ``order``; what it sends lands. Returns a name for it."""
    notes = _Notes()
    with _process(order, work, notes) as process:
        assert process.stdout is not None
        pace = proxy.watch.pace()
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while True:
                left = proxy.watch.check()
                if not ready.select(min(_LOOK, left)):
                    continue
                piece = os.read(process.stdout.fileno(), _BLOCK)
                if not piece:
                    break
                pace.came(len(piece))
                landed.write(piece)
    if not notes.said.get("done"):
        raise proxy.refusal or _failure(notes.said)
    return ".".join(str(part) for part in (notes.said.get("title"), notes.said.get("ext")) if part)


@contextmanager
def _process(order: dict[str, Any], work: Path, notes: _Notes) -> Iterator[subprocess.Popen[bytes]]:
    """The process at work; it and whatever it started are gone after the context."""
    # -P: the folder of the script has modules with the names of others. -B: under its limits, what it compiled could be
    # written by half, and would be found broken ever after. No plug-ins, no configuration, no PATH.
    environment = {
        "HOME": str(work),
        "TMPDIR": str(work),
        "PATH": "",
        "LANG": "C.UTF-8",
        "YTDLP_NO_PLUGINS": "1",
        **{name: os.environ[name] for name in _CERTIFICATES if name in os.environ},
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-B", str(_CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=work,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        listener = threading.Thread(target=notes.listen, args=(process.stderr,), name="harken-site")
        listener.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(order).encode() + b"\n")
                process.stdin.flush()
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            listener.join()


class _Notes:
    """What the process tells of itself; the later word holds. What it writes beside that is not kept."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}

    def listen(self, lines: IO[bytes]) -> None:
        while line := lines.readline(_LONGEST_NOTE):
            with contextlib.suppress(ValueError):
                note = json.loads(line)
                if isinstance(note, dict):
                    self.said |= note


def _failure(said: dict[str, Any]) -> HarkenError:
    match said.get("failed"):
        case "unsupported":
            return FetchFailed("there is no recording on the page at the address, or none that can be found")
        case "long":
            return AudioTooLong("the page at the address has a recording that is longer than is taken here")
        case "live":
            return FetchFailed("the page at the address has a live stream, or one to come, and no recording yet")
        case "told":
            return FetchFailed(f"the page at the address does not give its recording: {str(said['reason'])[:300]}")
    return FetchFailed(
        "the page at the address cannot be read, or its recording cannot be had",
        detail=str(said.get("reason", "the process that reads it died"))[:1000],
    )
