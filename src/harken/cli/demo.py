# SPDX-License-Identifier: Apache-2.0
"""``python -m harken.cli.demo``: a server of its own transcribes a sample phone call, and is stopped again.

Does what any client would do, over HTTP; leaves nothing behind but the models.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harken.cli.models import fetched
from harken.cli.progress import clock
from harken.cli.settings import load_settings
from harken.errors import HarkenError, WorkerUnavailable
from harken.models.parts import DETECTOR
from harken.models.standard import model_store

START = 120.0
"""Seconds that the server may take to be ready; the first start writes byte code and makes the database."""
STOP = 20.0
"""Seconds that it may take to stop."""
ANSWER = 300.0
"""Seconds that the transcription may take, on a slow and busy machine."""


def main() -> int:
    """Run the demonstration; returns the exit status."""
    # As Ctrl-C: whatever is open is closed on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = load_settings()
        store = model_store(settings)
        for name in (settings.default_model, DETECTOR, "sample"):
            fetched(store, name)
        recording = store.path("sample") / "sample.wav"
        with tempfile.TemporaryDirectory(prefix="harken-demo-") as folder, _server(Path(folder)) as address:
            print(f"server ready at {address}; sending {recording.name}", flush=True)  # noqa: T201
            begun = time.monotonic()
            answer = _transcribe(address, recording)
            took = time.monotonic() - begun
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the server is stopped\n")
        return 130
    except HarkenError as error:
        sys.stderr.write(f"harken: {error}\n")
        return 1
    print()  # noqa: T201
    for segment in answer["segments"]:
        print(f"{clock(segment['start']):>7} - {clock(segment['end'])}  {segment['text'].strip()}")  # noqa: T201
    print(f"\n{answer['duration']:.0f} s of audio ({answer['language']}) in {took:.1f} s; the server is stopped")  # noqa: T201
    return 0


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A server on a free port, its data in ``folder``, ready; stopped afterwards. Gives its address."""
    port = _free_port()
    own = {"HARKEN_HOST", "HARKEN_PORT", "HARKEN_DATA_DIR", "HARKEN_DATABASE_URL", "HARKEN_API_KEYS"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    environment |= {"HARKEN_HOST": "127.0.0.1", "HARKEN_PORT": str(port), "HARKEN_DATA_DIR": str(folder / "data")}
    log = folder / "server.log"
    server: subprocess.Popen[bytes] | None = None
    try:
        with log.open("wb") as out, _held_back(signal.SIGINT, signal.SIGTERM):
            # In a session of its own, so that Ctrl-C comes to this process only, which then stops the server in order.
            server = subprocess.Popen(
                [sys.executable, "-m", "harken", "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        address = f"http://127.0.0.1:{port}"
        _wait(address, server, log)
        yield address
    finally:
        if server is not None:
            _stop(server)


@contextmanager
def _held_back(*numbers: signal.Signals) -> Iterator[None]:
    """Signals that come meanwhile interrupt afterwards: a process that was just started must not be lost sight of."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda told, _: came.append(told)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until it is ready. Raises WorkerUnavailable, with the last lines of its log, when it is not."""
    limit = time.monotonic() + START
    reason = "no answer"
    while server.poll() is None and time.monotonic() < limit:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=5):  # noqa: S310 - our own server
                return
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace")
        except OSError as error:
            reason = str(error)
        time.sleep(0.1)
    ended = f"it ended with {server.returncode}" if server.poll() is not None else reason
    lines = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise WorkerUnavailable(f"the server did not become ready: {ended}\n{lines}")


def _transcribe(address: str, recording: Path) -> dict[str, Any]:
    """Raises WorkerUnavailable when the answer is an error."""
    boundary = uuid.uuid4().hex
    fields = {"model": "whisper-1", "response_format": "verbose_json"}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{recording.name}"\r\n\r\n'
    body = b"".join([*parts, head.encode(), recording.read_bytes(), f"\r\n--{boundary}--\r\n".encode()])
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{address}/v1/audio/transcriptions",
        data=body,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER) as answer:  # noqa: S310 - our own server
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        raise WorkerUnavailable(f"{error.code}: {error.read().decode(errors='replace')}") from None
    except OSError as error:
        raise WorkerUnavailable(f"the server did not answer: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
