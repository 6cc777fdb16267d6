# SPDX-License-Identifier: Apache-2.0
"""The process in which yt-dlp reads a page: run as a script, by :mod:`harken.net.sites`, with nothing of harken in it.

It is told what to do by one line of JSON on its standard input, which then stays open: when that ends, whoever asked is
gone, and so is this process. The recording comes out of the standard output, notes as lines of JSON out of the standard
error. It may call nobody but the proxy, start nothing but the script engine that it is told of, and write no more than
the recording may have.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import threading
from typing import Any

_LOCAL = "127.0.0.1"
_REFUSED = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "pty.spawn",
        "socket.bind",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.sendmsg",
        "socket.sendto",
    }
)
"""Audit events (see the table in Python's documentation) of what reading a page never needs."""


def main() -> None:
    """Read the order, and carry it out."""
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    sys.path.append(order["packages"])  # where yt-dlp is, which may be where this Python does not look by itself
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_NOFILE, 256)
    _bound(resource.RLIMIT_DATA, order["memory"])
    _bound(resource.RLIMIT_FSIZE, order["max_bytes"])
    _bound(resource.RLIMIT_CPU, order["seconds"])
    # yt-dlp closes its output after some recordings; whoever reads it takes the end for the end of this process.
    os.dup(sys.stdout.fileno())
    sys.addaudithook(_Fence(order["port"], order["engine"]))
    note(**_read(order))


def note(**fields: Any) -> None:
    """Tell whoever asked."""
    sys.stderr.write(json.dumps(fields) + "\n")
    sys.stderr.flush()


class _Fence:
    """Refuses what goes past the proxy, and programs; in Python, which is all that yt-dlp is made of."""

    def __init__(self, port: int, engine: str | None) -> None:
        self._port = port
        self._engine = engine

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            allowed = args[1] == (_LOCAL, self._port)
        elif event == "socket.getaddrinfo":
            allowed = args[0] == _LOCAL
        elif event == "subprocess.Popen":
            allowed = self._engine is not None and args[0] == self._engine
        else:
            allowed = event not in _REFUSED
        if not allowed:
            raise PermissionError(f"{event} is not for this process")


class _Log:
    """Where yt-dlp puts what it has to say."""

    def debug(self, message: str) -> None:
        """Not wanted."""

    warning = error = info = debug


def _read(order: dict[str, Any]) -> dict[str, Any]:
    """Have yt-dlp send the recording out; returns the last note: how it went."""
    from yt_dlp import YoutubeDL  # noqa: PLC0415 -- under the limits, and behind the fence
    from yt_dlp.utils import (  # noqa: PLC0415
        DownloadError,
        ExtractorError,
        UnsupportedError,
        YoutubeDLError,
    )

    said = {"failed": "unsupported"}  # a page whose list of recordings is empty

    def choose(info: dict[str, Any], *, incomplete: bool = False) -> str | None:
        if info.get("is_live") or info.get("live_status") in {"is_live", "is_upcoming"}:
            said["failed"] = "live"
        elif (info.get("duration") or 0) > order["max_audio"]:
            said["failed"] = "long"
        else:
            if not incomplete:
                note(title=info.get("title"), ext=info.get("ext"))
                said.pop("failed", None)
            return None
        return said["failed"]

    options = {
        "cachedir": False,
        "compat_opts": {"no-certifi"},  # the system's certificates, as for everything else
        "fixup": "never",
        "format": "bestaudio/best",
        "js_runtimes": {"deno": {"path": order["engine"]}} if order["engine"] else {},
        "logger": _Log(),
        "match_filter": choose,
        "nopart": True,
        "noplaylist": True,
        "noprogress": True,
        "outtmpl": {"default": "-"},
        "playlist_items": "1",
        "proxy": order["proxy"],
        "quiet": True,
        "retries": 3,
        "socket_timeout": order["idle"],
    }
    try:
        with YoutubeDL(options) as reader:
            reader.extract_info(order["url"])
    except DownloadError as error:
        cause = error.exc_info[1] if error.exc_info else None
        if isinstance(cause, UnsupportedError):
            return {"failed": "unsupported"}
        if isinstance(cause, ExtractorError) and cause.expected and cause.cause is None:
            return {"failed": "told", "reason": cause.orig_msg}
        return {"failed": "broken", "reason": str(error)}
    except (YoutubeDLError, OSError, MemoryError) as error:
        return {"failed": "broken", "reason": f"{type(error).__name__}: {error}"}
    if not sys.stdout.buffer.closed:
        sys.stdout.buffer.flush()
    return said or {"done": True}


def _bound(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    # macOS does not take every limit.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(limit, (value, value))


def _leave_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
