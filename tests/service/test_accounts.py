# SPDX-License-Identifier: Apache-2.0
"""Who is behind a key, over a real database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from harken.errors import (
    AccountNotFound,
    InvalidOption,
    KeyNotFound,
    Unauthenticated,
    UnknownLanguage,
    UnknownModel,
)
from harken.model import EVERYDAY, Policy, Scope
from harken.models.catalog import Catalog
from harken.ports import FRESH
from harken.service import EVERYONE, Accounts, Caller
from harken.service.secrets import new_key, prefix_of
from harken.store import SqlAccounts, SqlAuditLog, SqlCredits, SqlKeys, connect, preparing, upgrade

SECRET = b"s" * 32


class House:
    """Accounts on one database, at a time of our choice."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.now = 1000.0
        self.keys = SqlKeys(engine, clock=self.clock)

    def clock(self) -> float:
        return self.now

    def accounts(self, *static: str, optional: bool = False, secret: bytes = SECRET) -> Accounts:
        return Accounts(
            SqlAccounts(self.engine, clock=self.clock),
            self.keys,
            SqlCredits(self.engine),
            Catalog(),
            secret,
            static,
            optional=optional,
            clock=self.clock,
        )

    def actions(self) -> list[str]:
        return [entry.action for entry in reversed(SqlAuditLog(self.engine).entries(100))]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    engine = connect(tmp_path / "harken.sqlite")
    with preparing(engine):
        upgrade(engine)
    yield House(engine)
    engine.dispose()


def test_a_key_opens_its_account(house: House) -> None:
    accounts = house.accounts()
    account = accounts.create(" Zoë ", "admin")
    assert account.name == "Zoë"
    policy = Policy(frozenset({Scope.TEXT}), ("whisper-1", "base"), ("English", "ca"), 5, 2)
    key, full = accounts.create_key(account.id, "laptop", policy, "admin", expires=2000.0)
    assert key.policy == Policy(frozenset({Scope.TEXT}), ("base",), ("en", "ca"), 5, 2)
    caller = accounts.caller(full)
    assert caller == Caller(account.id, key.id, key.policy)
    assert caller.subject == key.id
    assert Scope.READ in caller.waiting().policy.scopes
    assert accounts.key(key.prefix).id == accounts.key(key.id).id == key.id
    assert house.actions() == ["account.create", "key.create"]
    assert full.split("_")[2] not in str(SqlAuditLog(house.engine).entries(100))


def test_only_a_hash_under_the_secret_is_kept(house: House) -> None:
    accounts = house.accounts()
    _, full = accounts.create_key(accounts.create("x", "admin").id, "x", Policy(), "admin")
    house.engine.dispose()
    with sa.create_engine(house.engine.url).connect() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM harken_keys").all())
    assert full.split("_")[2] not in rows
    assert hashlib.sha256(full.encode()).hexdigest() not in rows
    with pytest.raises(Unauthenticated):
        house.accounts(secret=b"t" * 32).caller(full)


def test_keys_that_open_nothing(house: House) -> None:
    accounts = house.accounts("static")
    account = accounts.create("x", "admin")
    key, full = accounts.create_key(account.id, "x", Policy(), "admin", expires=2000.0)
    other = new_key()[0]
    wrong = [None, "", "stat", full[:-1], f"{full[:-1]}{'a' if full[-1] != 'a' else 'b'}", other, "hk_\udcff", "ключ"]
    for presented in wrong:
        with pytest.raises(Unauthenticated):
            accounts.caller(presented)
    house.now = 2000.0
    with pytest.raises(Unauthenticated, match="expired"):
        accounts.caller(full)
    house.now = 1000.0
    accounts.close(account.id, "admin")
    with pytest.raises(Unauthenticated, match="closed"):
        accounts.caller(full)
    accounts.close(account.id, "admin", closed=False)
    assert accounts.caller(full).id == account.id
    accounts.revoke_key(key.id, "admin")
    with pytest.raises(Unauthenticated, match="revoked"):
        accounts.caller(full)


def test_use_is_noted_to_the_minute(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = house.accounts()
    key, full = accounts.create_key(accounts.create("x", "admin").id, "x", Policy(), "admin")
    writes: list[str] = []
    used = house.keys.used

    def counted(key_id: str) -> None:
        writes.append(key_id)
        used(key_id)

    monkeypatch.setattr(house.keys, "used", counted)
    for moment in (1000.0, 1000.0, 1000.0 + FRESH - 1, 1000.0 + FRESH):
        house.now = moment
        accounts.caller(full)
    assert writes == [key.id] * 2
    assert accounts.key(key.id).last_used == 1000.0 + FRESH


def test_keys_from_the_settings_are_who_they_were(house: House) -> None:
    accounts = house.accounts("one", "two")
    owner = f"key-{hashlib.sha256(b'one').hexdigest()[:24]}"
    assert accounts.caller("one") == Caller(owner)
    assert accounts.caller("one").policy.scopes == EVERYDAY
    known = {one.id: one for one in accounts.accounts()}
    assert (len(known), known[owner].name, known[owner].metered) == (2, "HARKEN_API_KEYS 1", False)
    assert accounts.balance(owner) is None
    assert accounts.grant(owner, 5000, "admin") == 5000
    _, full = accounts.create_key(owner, "another", Policy(), "admin")
    assert accounts.caller(full).id == owner
    accounts.close(owner, "admin")
    for key in ("one", full):
        with pytest.raises(Unauthenticated, match="closed"):
            accounts.caller(key)
    assert accounts.caller("two").id != owner


def test_a_server_is_open_until_there_is_a_key(house: House) -> None:
    accounts = house.accounts(optional=True)
    assert accounts.open
    assert accounts.caller(None) == accounts.caller("whatever the SDK sends") == EVERYONE
    assert [one.id for one in accounts.accounts()] == [EVERYONE.id]
    with pytest.raises(Unauthenticated):
        accounts.caller(new_key()[0])
    key, _ = accounts.create_key(EVERYONE.id, "x", Policy(), "admin")
    accounts.revoke_key(key.id, "admin")
    closed = [accounts, house.accounts(optional=True), house.accounts("static", optional=True), house.accounts()]
    assert not any(one.open for one in closed)
    for again in closed:
        with pytest.raises(Unauthenticated):
            again.caller(None)


def test_what_cannot_be(house: House) -> None:
    accounts = house.accounts()
    account = accounts.create("x", "admin")
    accounts.create("twice", "admin")
    accounts.create("twice", "admin")
    assert accounts.named(account.id) == accounts.named("x") == account
    with pytest.raises(InvalidOption):
        accounts.named("twice")
    with pytest.raises(AccountNotFound):
        accounts.named("nobody")
    with pytest.raises(AccountNotFound):
        accounts.create_key("nobody", "x", Policy(), "admin")
    with pytest.raises(KeyNotFound):
        accounts.key("nothing")
    before = len(house.actions())
    for name in ("", " ", "a\nb", "x" * 101):
        with pytest.raises(InvalidOption):
            accounts.create(name, "admin")
    for policy, error in (
        (Policy(scopes=frozenset()), InvalidOption),
        (Policy(rate=0), InvalidOption),
        (Policy(concurrency=0), InvalidOption),
        (Policy(models=("nonsense",)), UnknownModel),
        (Policy(languages=("klingon",)), UnknownLanguage),
    ):
        with pytest.raises(error):
            accounts.create_key(account.id, "x", policy, "admin")
    with pytest.raises(InvalidOption):
        accounts.create_key(account.id, "x", Policy(), "admin", expires=1000.0)
    assert (accounts.keys(), len(house.actions())) == ([], before)


def test_changes_are_in_the_audit_log(house: House) -> None:
    accounts = house.accounts()
    account = accounts.create("x", "a")
    key, _ = accounts.create_key(account.id, "x", Policy(), "b")
    assert accounts.change_key(key.id, "y", Policy(rate=1), "c", expires=5000.0).policy.rate == 1
    accounts.revoke_key(key.id, "d")
    accounts.rename(account.id, "y", "e")
    accounts.grant(account.id, 5500, "f", note="gift")
    accounts.unlimited(account.id, "g")
    accounts.close(account.id, "h")
    accounts.close(account.id, "i", closed=False)
    found = list(reversed(SqlAuditLog(house.engine).entries(100)))
    assert [(entry.actor, entry.action) for entry in found] == [
        ("a", "account.create"),
        ("b", "key.create"),
        ("c", "key.change"),
        ("d", "key.revoke"),
        ("e", "account.rename"),
        ("f", "credits.grant"),
        ("g", "credits.unlimited"),
        ("h", "account.close"),
        ("i", "account.reopen"),
    ]
    assert found[5].detail == {"credits": "5.5", "note": "gift"}
    assert accounts.entries(account.id)[0].note == "gift"


def test_keys_are_long_and_all_different() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len({prefix for _, prefix in keys}) == 1000
    for full, prefix in keys:
        assert prefix_of(full) == prefix
        assert 62 ** len(full.split("_")[2]) > 2**160
