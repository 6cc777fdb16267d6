# SPDX-License-Identifier: Apache-2.0
"""What connections to PostgreSQL say about machines that vanish, and what of it all is logged."""

from __future__ import annotations

import logging
import select

import psycopg
import pytest
import sqlalchemy as sa

from harken.errors import StoreUnavailable
from harken.store import SqlStore, connect, speak_plainly

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def test_both_sides_look_whether_the_other_is_there(engine: sa.Engine, database: str) -> None:
    with engine.connect() as connection:
        told = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("tcp_keepalives_idle", "tcp_keepalives_count", "tcp_user_timeout")
        }
        kept = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
        ours = connection.connection.driver_connection
        assert isinstance(ours, psycopg.Connection)
        asked = ours.info.get_parameters()
    assert told == {"tcp_keepalives_idle": "10", "tcp_keepalives_count": "3", "tcp_user_timeout": "25000"}
    assert kept == "1min"
    assert (asked["keepalives_idle"], asked["tcp_user_timeout"], asked["connect_timeout"]) == ("10", "25000", "10")


def test_a_transaction_that_the_server_gave_up_is_no_mistake_of_ours(engine: sa.Engine, database: str) -> None:
    """This machine stood still in the middle of one: what workers wait for, and callers are told."""
    with pytest.raises(sa.exc.DBAPIError) as caught, engine.begin() as connection:
        _give_up(connection)
    assert isinstance(caught.value, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError)
    speak_plainly(engine)
    with pytest.raises(StoreUnavailable), engine.begin() as connection:
        _give_up(connection)
    SqlStore(engine).ping()


def test_no_log_says_every_look_at_the_database(
    engine: sa.Engine, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "harken"):
        other = connect(database)
        SqlStore(other).ping()
        other.dispose()
    assert not caplog.records


def _give_up(connection: sa.Connection) -> None:
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 1")
    ours = connection.connection.driver_connection
    assert isinstance(ours, psycopg.Connection)
    # Until the server's last words are here.
    select.select([ours.fileno()], [], [], 60.0)
    connection.exec_driver_sql("SELECT 1")
