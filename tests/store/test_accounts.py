# SPDX-License-Identifier: Apache-2.0
"""Accounts, keys, sessions, the audit log and the shared values, on both databases."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from harken.errors import AccountNotFound, KeyNotFound
from harken.model import (
    Account,
    ApiKey,
    AuditEntry,
    Policy,
    Scope,
    Session,
)
from harken.ports import FRESH
from harken.store import (
    Argon2,
    SqlAccounts,
    SqlAuditLog,
    SqlFacts,
    SqlKeys,
    SqlSessions,
)

BY = AuditEntry("admin", "test", "x", {"why": "Zoë \0"})
POLICY = Policy(frozenset({Scope.TEXT, Scope.READ}), ("base", "cpu-lite"), ("en", "ca"), 60, 2)


def key_of(account: str, **changes: object) -> ApiKey:
    key_id = str(uuid.uuid4())
    key = ApiKey(key_id, account, "Zoë's laptop", key_id[:10], POLICY, created=1.0, expires=9e9)
    return replace(key, **changes)  # type: ignore[arg-type]


def test_accounts_are_kept(engine: sa.Engine) -> None:
    store = SqlAccounts(engine, clock=lambda: 7.0)
    first, second = Account("b", "Zoë \0", 1.0), Account("a", "x", 2.0)
    store.create(first, BY)
    store.have(second)
    store.have(replace(second, name="other"))
    assert store.accounts() == [replace(first, name="Zoë \N{REPLACEMENT CHARACTER}"), second]
    assert store.rename("a", "y", BY) == replace(second, name="y")
    closed = store.close("a", BY, closed=True)
    assert (closed.closed, store.account("a")) == (7.0, closed)
    assert store.close("a", BY, closed=False).closed is None
    changes: list[Callable[[], object]] = [
        lambda: store.account("c"),
        lambda: store.rename("c", "y", BY),
        lambda: store.close("c", BY, closed=True),
    ]
    for change in changes:
        with pytest.raises(AccountNotFound):
            change()


def test_keys_are_kept_without_what_they_are(engine: sa.Engine) -> None:
    accounts, keys = SqlAccounts(engine), SqlKeys(engine, clock=lambda: 7.0)
    accounts.have(Account("a", "x", 1.0))
    assert not keys.any()
    key = key_of("a")
    keys.add(key, "f" * 64, BY)
    other = key_of("a", created=0.5, policy=Policy())
    keys.add(other, "0" * 64, BY)
    assert keys.any()
    known = keys.find(key.prefix)
    assert known is not None
    assert (known.key, known.digest, known.closed) == (key, "f" * 64, False)
    assert keys.find("nothing") is None
    assert (keys.keys("a"), keys.keys("b"), keys.keys()) == ([other, key], [], [other, key])
    changed = keys.change(key.id, "name", Policy(), None, BY)
    assert changed == replace(key, name="name", policy=Policy(), expires=None) == keys.key(key.id)
    assert keys.revoke(key.id, BY).revoked == 7.0
    assert SqlKeys(engine, clock=lambda: 8.0).revoke(key.id, BY).revoked == 7.0
    accounts.close("a", BY, closed=True)
    known = keys.find(key.prefix)
    assert known is not None
    assert known.closed
    with pytest.raises(AccountNotFound):
        keys.add(key_of("nobody"), "0" * 64, BY)
    missing: list[Callable[[], object]] = [
        lambda: keys.key("x"),
        lambda: keys.revoke("x", BY),
        lambda: keys.change("x", "", POLICY, None, BY),
    ]
    for attempt in missing:
        with pytest.raises(KeyNotFound):
            attempt()


def test_use_is_noted_once_a_minute(engine: sa.Engine) -> None:
    now = [1000.0]
    keys = SqlKeys(engine, clock=lambda: now[0])
    SqlAccounts(engine).have(Account("a", "x", 1.0))
    key = key_of("a")
    keys.add(key, "0" * 64, BY)
    for moment, noted in ((1000.0, 1000.0), (1000.0 + FRESH - 1, 1000.0), (1000.0 + FRESH, 1000.0 + FRESH)):
        now[0] = moment
        keys.used(key.id)
        assert keys.key(key.id).last_used == noted


def test_changes_and_their_lines_in_the_audit_log_are_one(engine: sa.Engine) -> None:
    accounts, keys = SqlAccounts(engine), SqlKeys(engine)
    log = SqlAuditLog(engine, clock=lambda: 5.0)
    accounts.create(Account("a", "x", 1.0), replace(BY, action="one"))
    keys.add(key_of("a"), "0" * 64, replace(BY, action="two"))
    failing: list[Callable[[], object]] = [
        lambda: keys.add(key_of("nobody"), "0" * 64, BY),
        lambda: keys.revoke("nothing", BY),
        lambda: accounts.rename("nobody", "", BY),
    ]
    for fails in failing:
        with pytest.raises((AccountNotFound, KeyNotFound)):
            fails()
    log.note(replace(BY, action="three"))
    found = log.entries(10)
    assert [entry.action for entry in found] == ["three", "two", "one"]
    assert found[0] == replace(BY, action="three", at=5.0, id=found[0].id)
    assert log.entries(1, before=found[0].id) == [found[1]]


def test_sessions_end(engine: sa.Engine) -> None:
    now = [100.0]
    sessions = SqlSessions(engine, clock=lambda: now[0])
    one, two = Session("1" * 64, 100.0, 200.0, "192.0.2.1"), Session("2" * 64, 100.0, 300.0)
    for session in (one, two):
        sessions.begin(session, BY)
    assert (sessions.find(one.id), sessions.find(two.id), sessions.find("3" * 64)) == (one, two, None)
    now[0] = 200.0
    assert (sessions.find(one.id), sessions.find(two.id)) == (None, two)
    sessions.begin(replace(one, id="4" * 64, expires=400.0), BY)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM harken_sessions").scalar() == 2
    sessions.end(two.id, BY)
    sessions.end(two.id, BY)
    assert sessions.find(two.id) is None
    assert sessions.end_all(BY) == 1
    assert sessions.find("4" * 64) is None
    assert len(SqlAuditLog(engine).entries(10)) == 5


def test_the_first_value_stays(engine: sa.Engine) -> None:
    facts = SqlFacts(engine)
    assert facts.get("x") is None
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda number: facts.first("x", str(number)), range(16)))
    assert len(found) == 1
    assert facts.get("x") in found
    facts.put("x", "new", BY)
    facts.put("y", "newer", BY)
    assert (facts.first("x", "later"), facts.get("y")) == ("new", "newer")


def test_passwords_are_hashed_slowly() -> None:
    passwords = Argon2()
    hashed = passwords.hashed("correct horse \ud83d")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert hashed != passwords.hashed("correct horse \ud83d")
    assert passwords.matches(hashed, "correct horse \ud83d")
    assert not passwords.matches(hashed, "correct horse")
    assert not passwords.matches("nonsense", "correct horse")
