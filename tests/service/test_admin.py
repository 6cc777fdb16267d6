# SPDX-License-Identifier: Apache-2.0
"""The administrator's login, over a real database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from harken.errors import Forbidden, InvalidOption, TooManyRequests, Unauthenticated
from harken.service import Admin
from harken.service.admin import LASTING, TRIES, network
from harken.store import SqlAuditLog, SqlFacts, SqlRateLimits, SqlSessions, connect, preparing, upgrade


class Plainly:
    """Hashes at once; the real one is tried with the store."""

    def hashed(self, password: str) -> str:
        return f"hash of {password}"

    def matches(self, hashed: str, password: str) -> bool:
        return hashed == f"hash of {password}"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = connect(tmp_path / "harken.sqlite")
    with preparing(engine):
        upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def admin(engine: sa.Engine, now: list[float]) -> Admin:
    return Admin(
        SqlSessions(engine, clock=lambda: now[0]),
        SqlFacts(engine),
        Plainly(),
        SqlRateLimits(engine),
        SqlAuditLog(engine),
        b"s" * 32,
        clock=lambda: now[0],
    )


def _first(admin: Admin) -> str:
    password = admin.first_password()
    assert password is not None
    return password


def test_the_first_start_makes_one_password(admin: Admin) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: admin.first_password(), range(16)))
    passwords = [password for password in made if password is not None]
    assert len(passwords) == 1
    assert len(passwords[0]) == 20
    login = admin.log_in(passwords[0])
    assert admin.session(login.token) == login.session
    assert admin.first_password() is None


def test_a_session_lasts_until_it_ends(admin: Admin, now: list[float], engine: sa.Engine) -> None:
    password = _first(admin)
    login = admin.log_in(password, "192.0.2.1")
    assert admin.session(login.token) == login.session
    assert login.token not in str(login.session)
    for wrong in (None, "", "x", login.session.id):
        with pytest.raises(Unauthenticated):
            admin.session(wrong)
    now[0] += LASTING
    with pytest.raises(Unauthenticated):
        admin.session(login.token)
    one, two, three = (admin.log_in(password) for _ in range(3))
    admin.log_out(one.token)
    with pytest.raises(Unauthenticated):
        admin.session(one.token)
    assert admin.session(two.token) == two.session
    assert admin.log_out_everywhere() == 2
    for login in (two, three):
        with pytest.raises(Unauthenticated):
            admin.session(login.token)
    actions = [entry.action for entry in reversed(admin.audited())]
    assert actions == ["admin.password", *["admin.login"] * 4, "admin.logout", "admin.logout_everywhere"]


def test_requests_prove_where_they_come_from(admin: Admin) -> None:
    password = _first(admin)
    login, other = admin.log_in(password), admin.log_in(password)
    admin.check_csrf(login.token, login.csrf)
    for wrong in (None, "", other.csrf, login.token, login.session.id, "ключ\ud83d"):
        with pytest.raises(Forbidden) as caught:
            admin.check_csrf(login.token, wrong)
        assert caught.value.param == "csrf"


def test_tries_are_counted(admin: Admin) -> None:
    password = _first(admin)
    for _ in range(TRIES):
        with pytest.raises(Unauthenticated):
            admin.log_in("wrong", "2001:db8::1")
    with pytest.raises(TooManyRequests) as caught:
        admin.log_in(password, "2001:db8::2")
    assert caught.value.retry_after is not None
    assert admin.log_in(password, "2001:db8:0:1::1").session.address == "2001:db8:0:1::1"
    assert [entry.action for entry in admin.audited(2)] == ["admin.login", "admin.login_failed"]


def test_networks() -> None:
    assert network("192.0.2.7") == network("::ffff:192.0.2.7") == "192.0.2.7"
    assert network("2001:db8::1:2:3:4") == "2001:db8::/64"
    assert network("a name") == "a name"


def test_the_password_changes(admin: Admin) -> None:
    password = _first(admin)
    login = admin.log_in(password)
    for new in ("short", "x" * 1001):
        with pytest.raises(InvalidOption):
            admin.change_password(password, new)
    with pytest.raises(Unauthenticated):
        admin.change_password("wrong", "a longer password")
    assert admin.session(login.token) == login.session
    admin.change_password(password, "a longer password")
    with pytest.raises(Unauthenticated):
        admin.session(login.token)
    with pytest.raises(Unauthenticated):
        admin.log_in(password)
    admin.log_in("a longer password")
    lost = admin.new_password("command line")
    with pytest.raises(Unauthenticated):
        admin.log_in("a longer password")
    admin.log_in(lost)
    assert lost not in str(admin.audited())
    with pytest.raises(Unauthenticated):
        admin.log_in(lost * 100)
