# SPDX-License-Identifier: Apache-2.0
"""Who calls the servers of the tests: real accounts and shared limits, on a database made once and copied."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harken.model import EVERYDAY, Account, Policy, Scope
from harken.models.catalog import Catalog
from harken.service import Accounts
from harken.store import SqlAccounts, SqlCredits, SqlKeys, SqlRateLimits, SqlSlots, connect, preparing, upgrade

SECRET = b"a secret of the tests, 32 bytes.."
BY = "tests"


@dataclass(frozen=True)
class Gate:
    """What a server lets callers in by, and what tests do with it."""

    accounts: Accounts
    rates: SqlRateLimits
    slots: SqlSlots

    def account(self, name: str) -> Account:
        return self.accounts.create(name, BY)

    def key(self, account: Account, *scopes: Scope, policy: Policy | None = None, expires: float | None = None) -> str:
        """A new key of an account, with these scopes or else all but admin, unless there is a policy."""
        policy = policy or Policy(frozenset(scopes) or EVERYDAY)
        return self.accounts.create_key(account.id, "of a test", policy, BY, expires=expires)[1]

    def expire(self, key: str) -> None:
        known = self.accounts.key(key.split("_")[1])
        self.accounts.change_key(known.id, known.name, known.policy, BY, expires=1.0)

    def revoke(self, key: str) -> None:
        self.accounts.revoke_key(self.accounts.key(key.split("_")[1]).id, BY)


@functools.cache
def _template() -> Path:
    """A database that is up to date. It goes with the process's temporary files."""
    folder = tempfile.TemporaryDirectory(prefix="harken-gate-")
    _kept.append(folder)
    path = Path(folder.name) / "gate.sqlite"
    engine = connect(path)
    with preparing(engine):
        upgrade(engine)
    engine.dispose()
    return path


_kept: list[tempfile.TemporaryDirectory[str]] = []


@contextmanager
def gate(path: Path, static: Sequence[str] = (), *, optional: bool = True) -> Iterator[Gate]:
    """A gate over the database at ``path``, which is made if it is not there."""
    if not path.exists():
        shutil.copy(_template(), path)
    engine = connect(path)
    slots = SqlSlots(engine)
    accounts = Accounts(
        SqlAccounts(engine), SqlKeys(engine), SqlCredits(engine), Catalog(), SECRET, static, optional=optional
    )
    try:
        yield Gate(accounts, SqlRateLimits(engine), slots)
    finally:
        slots.close()
        engine.dispose()
