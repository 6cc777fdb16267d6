# SPDX-License-Identifier: Apache-2.0
"""Accounts and API keys in SQLite or PostgreSQL. Knows no secret, only the hashes that it is given."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from harken.errors import AccountNotFound, KeyNotFound
from harken.model import Account, ApiKey, AuditEntry, Policy, Scope
from harken.ports import FRESH, KnownKey
from harken.store import audit as log
from harken.store.account_tables import accounts, keys
from harken.store.base import Sql
from harken.store.database import writing

_OF_KEYS = ("id", "account", "name", "prefix", "created", "expires", "last_used", "revoked")


class SqlAccounts(Sql):
    """The :class:`~harken.ports.AccountStore` of one database. Thread-safe."""

    def account(self, account_id: str) -> Account:
        """See :class:`~harken.ports.AccountStore`."""
        found = self._read(sa.select(accounts).where(accounts.c.id == account_id))
        if not found:
            raise _no_account(account_id)
        return _account(found[0])

    def accounts(self) -> list[Account]:
        """See :class:`~harken.ports.AccountStore`."""
        return [_account(row) for row in self._read(sa.select(accounts).order_by(accounts.c.created, accounts.c.id))]

    def have(self, account: Account) -> None:
        """See :class:`~harken.ports.AccountStore`."""
        with writing(self._engine) as connection:
            connection.execute(self._insert(accounts).values(_account_values(account)).on_conflict_do_nothing())

    def create(self, account: Account, audit: AuditEntry) -> None:
        """See :class:`~harken.ports.AccountStore`."""
        with writing(self._engine) as connection:
            connection.execute(accounts.insert().values(_account_values(account)))
            log.write(connection, audit, self._clock())

    def rename(self, account_id: str, name: str, audit: AuditEntry) -> Account:
        """See :class:`~harken.ports.AccountStore`."""
        return self._change(account_id, audit, name=name)

    def close(self, account_id: str, audit: AuditEntry, *, closed: bool) -> Account:
        """See :class:`~harken.ports.AccountStore`."""
        since = sa.func.coalesce(accounts.c.closed, self._clock()) if closed else None
        return self._change(account_id, audit, closed=since)

    def _change(self, account_id: str, audit: AuditEntry, **values: Any) -> Account:
        with writing(self._engine) as connection:
            row = connection.execute(
                accounts.update().where(accounts.c.id == account_id).values(**values).returning(*accounts.c)
            ).one_or_none()
            if row is None:
                raise _no_account(account_id)
            log.write(connection, audit, self._clock())
            return _account(row)


class SqlKeys(Sql):
    """The :class:`~harken.ports.KeyStore` of one database. Thread-safe."""

    def find(self, prefix: str) -> KnownKey | None:
        """See :class:`~harken.ports.KeyStore`."""
        query = sa.select(keys, accounts.c.closed).join_from(keys, accounts).where(keys.c.prefix == prefix)
        found = self._read(query)
        return KnownKey(_key(found[0]), found[0].digest, found[0].closed is not None) if found else None

    def key(self, key_id: str) -> ApiKey:
        """See :class:`~harken.ports.KeyStore`."""
        found = self._read(sa.select(keys).where(keys.c.id == key_id))
        if not found:
            raise _no_key(key_id)
        return _key(found[0])

    def keys(self, account: str | None = None) -> list[ApiKey]:
        """See :class:`~harken.ports.KeyStore`."""
        query = sa.select(keys).order_by(keys.c.created, keys.c.id)
        if account is not None:
            query = query.where(keys.c.account == account)
        return [_key(row) for row in self._read(query)]

    def any(self) -> bool:
        """See :class:`~harken.ports.KeyStore`."""
        return bool(self._read(sa.select(keys.c.id).limit(1)))

    def add(self, key: ApiKey, digest: str, audit: AuditEntry) -> None:
        """See :class:`~harken.ports.KeyStore`."""
        with writing(self._engine) as connection:
            there = sa.select(accounts.c.id).where(accounts.c.id == key.account)
            if connection.execute(there).one_or_none() is None:
                raise _no_account(key.account)
            values = {name: getattr(key, name) for name in _OF_KEYS}
            connection.execute(keys.insert().values(**values, digest=digest, policy=_dump(key.policy)))
            log.write(connection, audit, self._clock())

    def change(self, key_id: str, name: str, policy: Policy, expires: float | None, audit: AuditEntry) -> ApiKey:
        """See :class:`~harken.ports.KeyStore`."""
        return self._change(key_id, audit, name=name, policy=_dump(policy), expires=expires)

    def revoke(self, key_id: str, audit: AuditEntry) -> ApiKey:
        """See :class:`~harken.ports.KeyStore`."""
        return self._change(key_id, audit, revoked=sa.func.coalesce(keys.c.revoked, self._clock()))

    def used(self, key_id: str) -> None:
        """See :class:`~harken.ports.KeyStore`. Several who use it at once write once."""
        now = self._clock()
        stale = sa.or_(keys.c.last_used.is_(None), keys.c.last_used <= now - FRESH)
        with writing(self._engine) as connection:
            connection.execute(keys.update().where(keys.c.id == key_id, stale).values(last_used=now))

    def _change(self, key_id: str, audit: AuditEntry, **values: Any) -> ApiKey:
        with writing(self._engine) as connection:
            row = connection.execute(
                keys.update().where(keys.c.id == key_id).values(**values).returning(*keys.c)
            ).one_or_none()
            if row is None:
                raise _no_key(key_id)
            log.write(connection, audit, self._clock())
            return _key(row)


def _account_values(account: Account) -> dict[str, Any]:
    return {name: getattr(account, name) for name in ("id", "name", "created", "metered", "closed")}


def _account(row: sa.Row[Any]) -> Account:
    return Account(row.id, row.name, row.created, bool(row.metered), row.closed)


def _key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(**{name: getattr(row, name) for name in _OF_KEYS}, policy=_load(row.policy))


def _dump(policy: Policy) -> str:
    return json.dumps(
        {
            "scopes": sorted(policy.scopes),
            "models": policy.models,
            "languages": policy.languages,
            "rate": policy.rate,
            "concurrency": policy.concurrency,
        }
    )


def _load(text: str) -> Policy:
    values = json.loads(text)
    return Policy(
        scopes=frozenset(Scope(scope) for scope in values["scopes"]),
        models=tuple(values["models"]),
        languages=tuple(values["languages"]),
        rate=values["rate"],
        concurrency=values["concurrency"],
    )


def _no_account(account_id: str) -> AccountNotFound:
    return AccountNotFound(f"there is no account {account_id!r}")


def _no_key(key_id: str) -> KeyNotFound:
    return KeyNotFound(f"there is no key {key_id!r}")
