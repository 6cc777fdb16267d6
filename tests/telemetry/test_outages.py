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
    for _ in range(3):
        log.warning("the database does not answer: %s", away)
        log.warning("Exception listing queues: %s", f"{away} executorID=1")
        log.error("a heartbeat failed", exc_info=away)
        log.error("cannot look: %s", "now", exc_info=StoreUnavailable("away"))
    said = str(away).partition("\n")[0]
    assert handler.lines == [
        f"WARNING the database does not answer: {said}",
        f"WARNING Exception listing queues: {said}",
        f"ERROR a heartbeat failed: {said}",
        "ERROR cannot look: away",
    ]
    handler.lines.clear()
    monkeypatch.setattr(outages, "_TOLD", 0.0)
    log.warning("the database does not answer: %s", away)
    assert handler.lines == [f"WARNING the database does not answer: {said}"]


def test_anything_else_is_told_whole_and_every_time(log: logging.Logger, handler: Lines) -> None:
    for _ in range(2):
        log.error("a heartbeat failed", exc_info=ZeroDivisionError("no"))
        log.warning("%(name)s: two\nlines", {"name": "one"})
        log.warning("a dictionary of numbers: %s", 5)
    assert handler.lines == 2 * [
        "ERROR a heartbeat failed\nZeroDivisionError: no",
        "WARNING one: two\nlines",
        "WARNING a dictionary of numbers: 5",
    ]
