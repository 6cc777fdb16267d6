# SPDX-License-Identifier: Apache-2.0
"""A database that does not answer, or has no room, said in harken's own errors."""

from __future__ import annotations

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


def test_a_connection_that_a_restart_cut_is_made_anew(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        return
    speak_plainly(engine)
    store = SqlStore(engine)
    store.ping()
    with engine.connect() as connection, pytest.raises(StoreUnavailable):
        connection.execute(sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid())))
    with pytest.raises(JobNotFound):
        store.job("none")
