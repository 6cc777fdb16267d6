# SPDX-License-Identifier: Apache-2.0
"""Who calls: accounts, keys, credits, administrators' sessions, the audit log.

Every method is one transaction, and a change writes its line of the audit log in the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harken.model import Account, ApiKey, AuditEntry, CreditEntry, Policy, Session

FRESH = 60.0
"""Seconds in which the use of a key is noted once."""


class AccountStore(Protocol):
    """Accounts. Methods that name one raise :class:`~harken.errors.AccountNotFound`."""

    def account(self, account_id: str) -> Account:
        """The account."""

    def accounts(self) -> list[Account]:
        """All of them, oldest first."""

    def have(self, account: Account) -> None:
        """Add an account, unless it is there; no change that anybody made."""

    def create(self, account: Account, audit: AuditEntry) -> None:
        """Add an account."""

    def rename(self, account_id: str, name: str, audit: AuditEntry) -> Account:
        """Give an account another name."""

    def close(self, account_id: str, audit: AuditEntry, *, closed: bool) -> Account:
        """Let its keys open nothing any more, or let them again."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What is kept of a key: the noun, the hash of the whole key, and whether its account is closed."""

    key: ApiKey
    digest: str
    closed: bool


class KeyStore(Protocol):
    """API keys. Methods that name one raise :class:`~harken.errors.KeyNotFound`."""

    def find(self, prefix: str) -> KnownKey | None:
        """The key with this prefix."""

    def key(self, key_id: str) -> ApiKey:
        """The key."""

    def keys(self, account: str | None = None) -> list[ApiKey]:
        """An account's keys, or everybody's, oldest first; revoked ones too."""

    def any(self) -> bool:
        """Whether a key was ever made."""

    def add(self, key: ApiKey, digest: str, audit: AuditEntry) -> None:
        """Keep a key. Raises AccountNotFound."""

    def change(self, key_id: str, name: str, policy: Policy, expires: float | None, audit: AuditEntry) -> ApiKey:
        """Change what a key is called, what it may do, and until when."""

    def revoke(self, key_id: str, audit: AuditEntry) -> ApiKey:
        """Have a key open nothing any more, for good; one that is revoked stays as it is."""

    def used(self, key_id: str) -> None:
        """Note that the key was used, now."""


class CreditStore(Protocol):
    """The ledger as administrators and dialects see it. Amounts are thousandths of a credit.

    What is reserved for work and what it cost is written with the work itself: see :class:`~harken.ports.Ledger` and
    :class:`~harken.ports.Store`.
    """

    def balance(self, account: str) -> int | None:
        """The sum of an account's entries; None when nothing costs it anything."""

    def entries(self, account: str, limit: int, before: int | None = None) -> list[CreditEntry]:
        """An account's entries, newest first, from those with an id under ``before`` on."""

    def of_job(self, job_id: str) -> list[CreditEntry]:
        """What was entered for a job and its stages, oldest first."""

    def grant(self, account: str, amount: int, note: str, audit: AuditEntry) -> int:
        """Add to a balance, or take from it; from then on the account's work costs. Raises AccountNotFound.

        Returns the balance.
        """

    def unlimited(self, account: str, audit: AuditEntry) -> None:
        """Let work cost the account nothing from now on; its entries stay. Raises AccountNotFound."""


class Sessions(Protocol):
    """Administrators' sessions."""

    def begin(self, session: Session, audit: AuditEntry) -> None:
        """Keep a session; those that have expired are forgotten."""

    def find(self, session_id: str) -> Session | None:
        """The session, if it has not expired."""

    def end(self, session_id: str, audit: AuditEntry) -> None:
        """Forget a session; one that is not there is no error."""

    def end_all(self, audit: AuditEntry) -> int:
        """Forget every session; how many there were."""


class AuditLog(Protocol):
    """What was changed by whom. Entries are added, and never changed."""

    def note(self, entry: AuditEntry) -> None:
        """Add an entry for what happened elsewhere."""

    def entries(self, limit: int, before: int | None = None) -> list[AuditEntry]:
        """Entries, newest first, from those with an id under ``before`` on."""


class Facts(Protocol):
    """Single values that every process on the database shares."""

    def get(self, name: str) -> str | None:
        """The value; None when there is none."""

    def first(self, name: str, value: str) -> str:
        """The value, which is ``value`` if there was none."""

    def put(self, name: str, value: str, audit: AuditEntry) -> None:
        """Set a value."""


class Passwords(Protocol):
    """Hashes passwords so slowly that guessing does not pay."""

    def hashed(self, password: str) -> str:
        """What is kept of a password."""

    def matches(self, hashed: str, password: str) -> bool:
        """Whether it is that password."""
