# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: a real PostgreSQL for the session, a fresh database for a test, and SQLite beside it.

Debian's package suffices. The server runs as an unprivileged user, on a free loopback port, in a folder of its own.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from harken.store import connect, preparing, upgrade

_USERS = ("postgres", "nobody")


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs, of the newest that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def unprivileged() -> pwd.struct_passwd | None:
    """Who runs the server: PostgreSQL refuses root. None is oneself."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(f"running as root, and none of the users {_USERS} exists")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a running server, without a database's name."""
    programs = binaries()
    if programs is None:
        message = "PostgreSQL is not installed: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    user = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="harken-pg-"))
    data = folder / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(programs / program), *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    try:
        run("initdb", "-D", str(data), "-U", "harken", "-A", "trust", "-E", "UTF8", "--no-sync")
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off -c max_connections=300"
        run("pg_ctl", "-D", str(data), "-w", "-t", "60", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield f"postgresql://harken@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@contextmanager
def fresh_database(server: str, *, template: str = "template1") -> Iterator[str]:
    """Address of a database, a copy of another, for the length of the context."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        yield f"{server}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Address of an empty database."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty database of either kind, as :func:`harken.store.connect` takes it."""
    if request.param == "sqlite":
        return tmp_path / "harken.sqlite"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def engine(database: Path | str) -> Iterator[sa.Engine]:
    """An engine on an up-to-date database of either kind."""
    engine = connect(database)
    with preparing(engine):
        upgrade(engine)
    yield engine
    engine.dispose()
