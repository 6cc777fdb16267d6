# SPDX-License-Identifier: Apache-2.0
"""Accounts, their keys and their credits; who is behind a key.

Policies are held to elsewhere: see :mod:`harken.service.policy`. Knows no HTTP.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
import uuid
from collections.abc import Callable, Iterable

from harken.asr import languages
from harken.errors import AccountNotFound, InvalidOption, Unauthenticated
from harken.model import Account, ApiKey, AuditEntry, CreditEntry, Policy
from harken.model.credits import in_credits
from harken.models.catalog import Catalog
from harken.ports import FRESH, AccountStore, CreditStore, KeyStore
from harken.service import secrets
from harken.service.nouns import EVERYONE, Caller

MAX_NAME = 100
"""Characters of the name of an account or a key."""
_PURPOSE = "key"
_CLOSED = "the account of this API key is closed"


class Accounts:
    """The use cases.

    Args:
        store: accounts.
        keys: API keys.
        credits: the ledger.
        catalog: the models that policies name.
        secret: the server's secret.
        static: keys from the settings, each an account of its own, which may everything but administer.
        texts: models that write, which policies name too.
        optional: whether a server on which no key was ever made takes everyone as the one caller.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        store: AccountStore,
        keys: KeyStore,
        credit: CreditStore,
        catalog: Catalog,
        secret: bytes,
        static: Iterable[str] = (),
        *,
        texts: Iterable[str] = (),
        optional: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._texts = frozenset(texts)
        self._store = store
        self._keys = keys
        self._credit = credit
        self._catalog = catalog
        self._secret = secret
        self._clock = clock
        # The id, which owns jobs, stays the same over restarts and does not give the key away.
        digests = [hashlib.sha256(key.encode()).digest() for key in static]
        self._static = {digest: Caller(f"key-{digest.hex()[:24]}") for digest in digests}
        self._optional = optional and not self._static

    # Who calls

    @property
    def open(self) -> bool:
        """Whether there are no keys, and so nothing to check. Once a key was made, revoking it opens nothing."""
        if self._optional and self._keys.any():
            self._optional = False
        return self._optional

    def caller(self, presented: str | None) -> Caller:
        """The caller behind a key, or without one. Raises Unauthenticated."""
        prefix = secrets.prefix_of(presented) if presented else None
        if prefix is None and self.open:
            return EVERYONE
        if not presented:
            raise Unauthenticated("this server wants an API key, as the header 'Authorization: Bearer KEY'")
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        found = [caller for one, caller in self._static.items() if hmac.compare_digest(one, digest)]
        if found:
            return self._of_open(found[0])
        known = None if prefix is None else self._keys.find(prefix)
        if known is None or not secrets.same(known.digest, self._digest(presented)):
            raise Unauthenticated("this API key is not valid")
        key, now = known.key, self._clock()
        if key.revoked is not None:
            raise Unauthenticated("this API key was revoked")
        if key.expired(now):
            raise Unauthenticated("this API key has expired")
        if known.closed:
            raise Unauthenticated(_CLOSED)
        if key.last_used is None or key.last_used <= now - FRESH:
            self._keys.used(key.id)
        return Caller(key.account, key.id, key.policy)

    def _of_open(self, caller: Caller) -> Caller:
        """A caller whose account may never have been noted, unless it was closed."""
        with contextlib.suppress(AccountNotFound):
            if self._store.account(caller.id).closed is not None:
                raise Unauthenticated(_CLOSED)
        return caller

    # Accounts

    def accounts(self) -> list[Account]:
        """Every account, oldest first; those of keys from the settings too."""
        self._have_static()
        return self._store.accounts()

    def account(self, account_id: str) -> Account:
        """An account. Raises AccountNotFound."""
        self._have_static()
        return self._store.account(account_id)

    def named(self, name: str) -> Account:
        """The account of that id, or else of that name. Raises AccountNotFound, InvalidOption for several."""
        found = [one for one in self.accounts() if one.id == name] or [
            one for one in self.accounts() if one.name == name
        ]
        if not found:
            raise AccountNotFound(f"there is no account {name!r}")
        if len(found) > 1:
            raise InvalidOption(f"there are {len(found)} accounts named {name!r}; say which by its id", param="account")
        return found[0]

    def create(self, name: str, by: str) -> Account:
        """Make an account. Raises InvalidOption."""
        account = Account(str(uuid.uuid4()), _name(name), self._clock())
        self._store.create(account, AuditEntry(by, "account.create", account.id, {"name": account.name}))
        return account

    def rename(self, account_id: str, name: str, by: str) -> Account:
        """Give an account another name. Raises AccountNotFound, InvalidOption."""
        name = _name(name)
        return self._store.rename(account_id, name, AuditEntry(by, "account.rename", account_id, {"name": name}))

    def close(self, account_id: str, by: str, *, closed: bool = True) -> Account:
        """Close an account, whose keys open nothing then, or open it again; its jobs go on. Raises AccountNotFound."""
        action = "account.close" if closed else "account.reopen"
        return self._store.close(account_id, AuditEntry(by, action, account_id), closed=closed)

    # Keys

    def keys(self, account: str | None = None) -> list[ApiKey]:
        """An account's keys, or everybody's, oldest first; revoked ones too, and none from the settings."""
        return self._keys.keys(account)

    def key(self, key_id: str) -> ApiKey:
        """A key, by its id or its prefix. Raises KeyNotFound."""
        known = self._keys.find(key_id)
        return self._keys.key(key_id) if known is None else known.key

    def create_key(
        self, account_id: str, name: str, policy: Policy, by: str, *, expires: float | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key, and give it away this once. Raises AccountNotFound, InvalidOption, UnknownModel..."""
        self._have_static()
        policy = self._checked(policy)
        full, prefix = secrets.new_key()
        key = ApiKey(
            id=str(uuid.uuid4()),
            account=account_id,
            name=_name(name),
            prefix=prefix,
            policy=policy,
            created=self._clock(),
            expires=self._later(expires),
        )
        detail = {"account": account_id, **_told(key.name, policy, expires)}
        self._keys.add(key, self._digest(full), AuditEntry(by, "key.create", key.id, detail))
        return key, full

    def change_key(self, key_id: str, name: str, policy: Policy, by: str, *, expires: float | None = None) -> ApiKey:
        """Change what a key is called, what it may do, and until when. Raises KeyNotFound, InvalidOption..."""
        policy, name = self._checked(policy), _name(name)
        entry = AuditEntry(by, "key.change", key_id, _told(name, policy, expires))
        return self._keys.change(key_id, name, policy, expires, entry)

    def revoke_key(self, key_id: str, by: str) -> ApiKey:
        """Have a key open nothing any more, for good. Raises KeyNotFound."""
        return self._keys.revoke(key_id, AuditEntry(by, "key.revoke", key_id))

    # Credits, in thousandths

    def balance(self, account_id: str) -> int | None:
        """What is left of an account's credits; None when nothing costs it anything."""
        return self._credit.balance(account_id)

    def entries(self, account_id: str, limit: int = 50, before: int | None = None) -> list[CreditEntry]:
        """An account's entries in the ledger, newest first."""
        return self._credit.entries(account_id, limit, before)

    def grant(self, account_id: str, amount: int, by: str, note: str = "") -> int:
        """Give an account credits, or take some; from then on its work costs. The balance. Raises AccountNotFound."""
        self._have_static()
        entry = AuditEntry(by, "credits.grant", account_id, {"credits": in_credits(amount), "note": note})
        return self._credit.grant(account_id, amount, note, entry)

    def unlimited(self, account_id: str, by: str) -> None:
        """Let work cost an account nothing from now on. Raises AccountNotFound."""
        self._credit.unlimited(account_id, AuditEntry(by, "credits.unlimited", account_id))

    def _have_static(self) -> None:
        """Accounts that nobody made are known from the first time that somebody looks."""
        fixed = {caller.id: f"HARKEN_API_KEYS {number}" for number, caller in enumerate(self._static.values(), 1)}
        for account_id, name in (fixed or {EVERYONE.id: "everyone"}).items():
            try:
                self._store.account(account_id)
            except AccountNotFound:
                self._store.have(Account(account_id, name, self._clock()))

    def _digest(self, key: str) -> str:
        return secrets.digest(self._secret, _PURPOSE, key)

    def _checked(self, policy: Policy) -> Policy:
        """The policy with canonical names."""
        for name in ("rate", "concurrency"):
            value = getattr(policy, name)
            if value is not None and value < 1:
                raise InvalidOption(f"{name} must be 1 or more; leave it out for the server's own limit", param=name)
        if not policy.scopes:
            raise InvalidOption("a key without a scope is good for nothing", param="scopes")
        codes = [languages.resolve(name) for name in policy.languages]
        return Policy(
            scopes=policy.scopes,
            models=tuple(dict.fromkeys(self._model(name) for name in policy.models)),
            languages=tuple(dict.fromkeys(code for code in codes if code is not None)),
            rate=policy.rate,
            concurrency=policy.concurrency,
        )

    def _model(self, name: str) -> str:
        """The canonical name of a model that recognises, or of one that writes. Raises UnknownModel."""
        return name if name in self._texts else self._catalog.resolve(name).name

    def _later(self, expires: float | None) -> float | None:
        if expires is not None and expires <= self._clock():
            raise InvalidOption("that is in the past: the key would never open anything", param="expires")
        return expires


def _name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidOption(f"a name has 1 to {MAX_NAME} printable characters", param="name")
    return name


def _told(name: str, policy: Policy, expires: float | None) -> dict[str, object]:
    return {
        "name": name,
        "scopes": sorted(policy.scopes),
        "models": list(policy.models),
        "languages": list(policy.languages),
        "rate": policy.rate,
        "concurrency": policy.concurrency,
        "expires": expires,
    }
