# SPDX-License-Identifier: Apache-2.0
"""What operators read while a database is away."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from harken.errors import StoreUnavailable
from harken.store import connect
from harken.telemetry import outages
from harken.telemetry.outages import Outages


class Lines(logging.Handler):
    """Keeps what comes through."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def handler() -> Lines:
    handler = Lines()
    handler.addFilter(Outages())
    return handler


@pytest.fixture
def log(handler: Lines) -> Iterator[logging.Logger]:
    log = logging.getLogger("dbos")
    propagate, log.propagate = log.propagate, False
    log.addHandler(handler)
    yield log
    log.removeHandler(handler)
    log.propagate = propagate


@pytest.fixture
def away() -> sa.exc.OperationalError:
    engine = connect("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(sa.exc.OperationalError) as met:
        engine.connect()
    engine.dispose()
    assert "\n" in str(met.value)
    return met.value


def test_it_is_one_line_and_not_again(
    log: logging.Logger, handler: Lines, away: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell() -> None:
        log.warning("the database does not answer: %s", away)
        log.warning(f"Exception listing queues: {away} executorID=1")  # noqa: G004 - as DBOS does it
        log.error("a heartbeat failed", exc_info=away)
        log.error("cannot look", exc_info=StoreUnavailable("away"))
        log.error("nor there", exc_info=sa.exc.TimeoutError("no connection is free"))

    for _ in range(3):
        tell()
    for lane in "abab":
        log.warning(f"Exception encountered in queue thread for {lane}: {away}")  # noqa: G004
    said = str(away).partition("\n")[0]
    lines = [
        f"WARNING the database does not answer: {said}",
        f"WARNING Exception listing queues: {said}",
        f"ERROR a heartbeat failed: {said}",
        "ERROR cannot look: away",
        "ERROR nor there: no connection is free",
    ]
    lanes = [f"WARNING Exception encountered in queue thread for {lane}: {said}" for lane in "ab"]
    assert handler.lines == lines + lanes
    handler.lines.clear()
    monkeypatch.setattr(outages, "_TOLD", 0.0)
    tell()
    assert handler.lines == lines


@pytest.mark.parametrize("statement", ["SELECT nothing FROM nowhere", "SELECT ("])
def test_a_fault_of_ours_is_told_whole_and_every_time(
    engine: sa.Engine, log: logging.Logger, handler: Lines, statement: str
) -> None:
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as met:
        connection.exec_driver_sql(statement)
    for _ in range(2):
        log.error("a heartbeat failed", exc_info=met.value)
    assert len(handler.lines) == 2
    assert f"[SQL: {statement}]" in handler.lines[1]


def test_a_fault_that_dbos_meets_is_told_whole_and_every_time(
    postgres_url: str, log: logging.Logger, handler: Lines
) -> None:
    engine = connect(postgres_url)
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as met:
        connection.exec_driver_sql("SELECT nothing FROM nowhere")
    engine.dispose()
    for lane in "ab":
        log.warning(f"Exception encountered in queue thread for {lane}: {met.value}")  # noqa: G004
    assert len(handler.lines) == 2
    assert "[SQL:" in handler.lines[1]


def test_anything_else_is_told_whole_and_every_time(log: logging.Logger, handler: Lines, away: Exception) -> None:
    for _ in range(2):
        log.error("a heartbeat failed", exc_info=ZeroDivisionError("no"))
        log.warning("%(name)s: two\nlines", {"name": "one"})
        # Somebody asks for it by its number.
        log.error("it answered 500", exc_info=away, extra={"request_id": "r"})
    assert handler.lines[:2] == ["ERROR a heartbeat failed\nZeroDivisionError: no", "WARNING one: two\nlines"]
    assert str(away) in handler.lines[2]
    assert handler.lines[3:] == handler.lines[:3]


def test_a_message_that_cannot_be_written_is_the_handlers_matter() -> None:
    record = logging.makeLogRecord({"name": "dbos", "msg": "%d", "args": ("x",)})
    assert Outages().filter(record)
    assert (record.msg, record.args) == ("%d", ("x",))
