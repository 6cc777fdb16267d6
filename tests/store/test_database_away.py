# SPDX-License-Identifier: Apache-2.0
"""A database that does not answer, or has no room, said in harken's own errors."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import sqlalchemy as sa

from harken.errors import DiskFull, JobNotFound, StoreUnavailable
from harken.store import SqlStore, connect, speak_plainly


def test_a_postgresql_that_does_not_run() -> None:
    engine = connect("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(sa.exc.OperationalError):
        SqlStore(engine).ping()
    speak_plainly(engine)
    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        SqlStore(engine).ping()
    assert "refused" in str(caught.value.__cause__), "for the log"
    assert caught.value.retry_after == 2.0


def test_the_pool_of_connections_is_quiet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="harken")
    engine = connect(tmp_path / "harken.sqlite")
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    engine.dispose()
    assert caplog.messages == []


def test_a_sqlite_file_that_cannot_be_opened(tmp_path: Path) -> None:
    engine = connect(tmp_path / "data" / "harken.sqlite")
    speak_plainly(engine)
    (tmp_path / "data").rmdir()
    with pytest.raises(StoreUnavailable):
        SqlStore(engine).ping()


def test_a_disk_without_room(tmp_path: Path) -> None:
    engine = connect(tmp_path / "harken.sqlite")
    speak_plainly(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE things (thing BLOB)")
        connection.exec_driver_sql("PRAGMA max_page_count = 8")
        with pytest.raises(DiskFull):
            connection.exec_driver_sql("INSERT INTO things VALUES (zeroblob(1000000))")
    engine.dispose()


def test_a_mistake_of_ours_stays_one(tmp_path: Path) -> None:
    engine = connect(tmp_path / "harken.sqlite")
    speak_plainly(engine)
    with pytest.raises(sa.exc.OperationalError, match="no such table"):
        SqlStore(engine).ping()
    engine.dispose()


def test_errors_do_not_say_what_was_written(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.DBAPIError) as caught, engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO nowhere VALUES (:text)"), {"text": "said in private"})
    assert "private" not in str(caught.value)


def test_no_connection_is_free(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.pool, "_timeout", 0.1)
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(engine.connect())
        with pytest.raises(sa.exc.TimeoutError):
            SqlStore(engine).ping()
        speak_plainly(engine)
        with pytest.raises(StoreUnavailable, match="in use"):
            SqlStore(engine).ping()
    with pytest.raises(JobNotFound):
        SqlStore(engine).job("none")
    engine.dispose()
    assert engine.pool.recreate().plainly, "also after a fork"  # type: ignore[attr-defined]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_connections_that_a_restart_cut_are_made_anew(engine: sa.Engine, database: str) -> None:
    speak_plainly(engine)
    store = SqlStore(engine)
    engine.dispose()  # so that there is one connection, and it is the one that is cut
    with engine.connect() as connection:
        held = connection.scalar(sa.select(sa.func.pg_backend_pid()))
        _cut(database, held)
        with pytest.raises(StoreUnavailable):
            connection.execute(sa.select(1))
    with engine.connect() as connection:
        held = connection.scalar(sa.select(sa.func.pg_backend_pid()))
    _cut(database, held)
    # The cut one lies in the pool.
    with pytest.raises(JobNotFound):
        store.job("none")


def _cut(database: str, backend: int | None) -> None:
    engine = connect(database)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.pg_terminate_backend(backend, 60_000)))
    engine.dispose()
