# SPDX-License-Identifier: Apache-2.0
"""Limits that several processes share, on both databases and in Redis."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from harken.errors import StoreUnavailable, TooManyRequests
from harken.ports import RateLimits
from harken.store import SqlRateLimits, SqlSlots, connect, preparing, upgrade
from harken.store.redis_limits import RedisRateLimits

PATIENCE = 60.0


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Redis of our own."""
    program = shutil.which("redis-server")
    if program is None:
        message = "Redis is not installed: apt-get install redis-server"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("redis")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "Redis did not start"
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where processes count together."""
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    found: Path | str = tmp_path / "harken.sqlite"
    if request.param == "postgresql":
        found = str(request.getfixturevalue("postgres_url"))
    engine = connect(found)
    with preparing(engine):
        upgrade(engine)
    engine.dispose()
    return str(found)


@pytest.fixture
def rates(address: str) -> Iterator[RateLimits]:
    if address.startswith("redis"):
        yield RedisRateLimits(address)
        return
    engine = connect(address if "://" in address else Path(address))
    yield SqlRateLimits(engine)
    engine.dispose()


def _taken(rates: RateLimits, subject: str, limit: int, per: float, tries: int) -> int:
    count = 0
    waits: list[float | None] = []
    for _ in range(tries):
        try:
            rates.take(subject, limit, per)
            count += 1
        except TooManyRequests as error:
            waits.append(error.retry_after)
    assert all(wait is not None and 0 <= wait <= per for wait in waits)
    return count


def test_so_many_and_no_more(rates: RateLimits) -> None:
    assert _taken(rates, "me \0", 5, 3600.0, 20) == 5
    assert _taken(rates, "you", 1, 3600.0, 5) == 1
    with pytest.raises(TooManyRequests, match="more than 5 requests in 3600 seconds") as caught:
        rates.take("me \0", 5, 3600.0)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 3600.0


def test_there_is_room_again(rates: RateLimits) -> None:
    began = time.monotonic()
    assert _taken(rates, "again", 2, 1.0, 2) == 2
    deadline = began + PATIENCE
    while not _taken(rates, "again", 2, 1.0, 1):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_database_gives_room_back_evenly(engine: sa.Engine) -> None:
    rates = SqlRateLimits(engine)
    assert _taken(rates, "evenly", 4, 3600.0, 10) == 4
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE harken_rates SET full_at = full_at - 1800")
    assert _taken(rates, "evenly", 4, 3600.0, 10) == 2


_COUNT = """
import sys, pathlib
from harken.errors import TooManyRequests
from harken.store import SqlRateLimits, connect
from harken.store.redis_limits import RedisRateLimits
address = sys.argv[1]
if address.startswith("redis"):
    rates = RedisRateLimits(address)
else:
    rates = SqlRateLimits(connect(address if "://" in address else pathlib.Path(address)))
print("ready", flush=True)
sys.stdin.readline()
count = 0
for _ in range(40):
    try:
        rates.take("all", 50, 3600.0)
        count += 1
    except TooManyRequests:
        pass
print(count)
"""


def test_processes_share_a_rate(address: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", _COUNT, address], stdin=-1, stdout=-1, text=True) for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    counts = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, _ = process.communicate(timeout=PATIENCE)
        counts.append(int(out))
    assert sum(counts) == 50


def test_a_redis_that_is_away_is_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        away = RedisRateLimits(f"redis://127.0.0.1:{probe.getsockname()[1]}/0")
        with pytest.raises(StoreUnavailable):
            away.take("me", 1)


def test_subjects_are_forgotten(engine: sa.Engine) -> None:
    rates = SqlRateLimits(engine)
    rates.take("past", 1, 60.0)
    rates.take("present", 1, 60.0)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE harken_rates SET full_at = 1.0 WHERE subject = 'past'")
    rates._tidied -= 3600.0
    rates.take("new", 1, 60.0)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT subject FROM harken_rates").scalars().all()
    assert set(found) == {"present", "new"}


def test_places(engine: sa.Engine) -> None:
    here, there = SqlSlots(engine), SqlSlots(engine)
    with here.hold("me", 2):
        with there.hold("me", 2), pytest.raises(TooManyRequests), here.hold("me", 2):
            pytest.fail("there was no room")
        with there.hold("you", 1), there.hold("me", 2):
            pass
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(there.hold("me", 3))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM harken_slots").scalar() == 0
    here.close()
    there.close()


def test_a_place_is_held_on_to(engine: sa.Engine) -> None:
    slots = SqlSlots(engine, lease=0.2)

    def until() -> float:
        with engine.connect() as connection:
            return float(connection.exec_driver_sql("SELECT until FROM harken_slots").scalar_one())

    with slots.hold("me", 1):
        first = until()
        deadline = time.monotonic() + PATIENCE
        while until() <= first + 0.2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    slots.close()


_HOLD = """
import sys, pathlib, time
from harken.store import SqlSlots, connect
address = sys.argv[1]
with SqlSlots(connect(address if "://" in address else pathlib.Path(address)), lease=60.0).hold("me", 1):
    print("ready", flush=True)
    time.sleep(3600)
"""


def test_the_place_of_a_process_that_died_is_free_again(engine: sa.Engine, database: Path | str) -> None:
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(database)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    slots = SqlSlots(engine)
    with pytest.raises(TooManyRequests), slots.hold("me", 1):
        pytest.fail("it is held")
    process.kill()
    process.wait(PATIENCE)
    process.stdout.close()
    with pytest.raises(TooManyRequests), slots.hold("me", 1):
        pytest.fail("nobody can know yet that it died")
    # What it was given goes by; a short lease would do so while it lived, on a busy machine.
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE harken_slots SET until = until - 61")
    with slots.hold("me", 1):
        pass
    slots.close()
