# SPDX-License-Identifier: Apache-2.0
"""The administrator: one password, sessions, and proof that a request comes from the administrator's own page.

Knows no cookie; what is in one is a session's token, and what proves a request is made of that.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from harken.errors import Forbidden, InvalidOption, Unauthenticated
from harken.model import AuditEntry, Session
from harken.ports import AuditLog, Facts, Passwords, RateLimits, Sessions
from harken.service import secrets

ACTOR = "admin"
"""How the audit log calls whoever has logged in."""
LASTING = 12 * 3600.0
"""Seconds that a session lasts."""
SHORTEST = 12
"""Characters of a password at least."""
LONGEST = 1000
"""And at most: more is no password, and would be hashed."""
TRIES = 10
"""Logins from one network that may be tried in :data:`WINDOW` seconds."""
TRIES_OF_ALL = 200
"""The same from anywhere."""
WINDOW = 300.0

_PASSWORD = "admin_password"  # noqa: S105  the name of it


@dataclass(frozen=True, slots=True)
class Login:
    """What a login gives: the session, its token for a cookie, and the token that unsafe requests must carry."""

    session: Session
    token: str
    csrf: str


class Admin:
    """The use cases.

    Args:
        sessions: who has logged in.
        facts: where the password's hash is.
        passwords: hashes it.
        limits: counts tries.
        audit: the audit log.
        secret: the server's secret.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        sessions: Sessions,
        facts: Facts,
        passwords: Passwords,
        limits: RateLimits,
        audit: AuditLog,
        secret: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sessions = sessions
        self._facts = facts
        self._passwords = passwords
        self._limits = limits
        self._audit = audit
        self._secret = secret
        self._clock = clock
        # One at a time: each takes 64 MiB.
        self._hashing = threading.Lock()

    def first_password(self) -> str | None:
        """Make the password on the first start, to be told this once; None when there is one already."""
        if self._facts.get(_PASSWORD) is not None:
            return None
        password = secrets.new_password()
        hashed = self._passwords.hashed(password)
        if self._facts.first(_PASSWORD, hashed) != hashed:
            return None
        self._audit.note(AuditEntry("server", "admin.password", detail={"first": True}))
        return password

    def new_password(self, by: str) -> str:
        """Make another password, for whoever has lost it; every session ends."""
        password = secrets.new_password()
        self._set(password, by)
        return password

    def change_password(self, current: str, new: str, address: str = "") -> None:
        """Set the password; every session ends. Raises Unauthenticated, InvalidOption, TooManyRequests."""
        if not SHORTEST <= len(new) <= LONGEST:
            raise InvalidOption(f"a password has {SHORTEST} to {LONGEST} characters", param="password")
        self._check(current, address)
        self._set(new, ACTOR)

    def log_in(self, password: str, address: str = "") -> Login:
        """Begin a session. Raises Unauthenticated, TooManyRequests."""
        self._check(password, address)
        token = secrets.new_token()
        now = self._clock()
        session = Session(self._digest("session", token), now, now + LASTING, address)
        self._sessions.begin(session, AuditEntry(ACTOR, "admin.login", detail={"address": address}))
        return Login(session, token, self.csrf(token))

    def session(self, token: str | None) -> Session:
        """The session of a token. Raises Unauthenticated."""
        found = self._sessions.find(self._digest("session", token)) if token else None
        if found is None:
            raise Unauthenticated("log in first; a session lasts twelve hours")
        return found

    def csrf(self, token: str) -> str:
        """What requests of this session must carry when they change something."""
        return self._digest("csrf", token)

    def check_csrf(self, token: str, presented: str | None) -> None:
        """Raise Forbidden unless a request carries it: the browser alone sends a cookie, whoever asks it to."""
        if not secrets.same(self.csrf(token), presented or ""):
            raise Forbidden("the request does not carry this session's CSRF token; load the page anew", param="csrf")

    def log_out(self, token: str) -> None:
        """End a session."""
        self._sessions.end(self._digest("session", token), AuditEntry(ACTOR, "admin.logout"))

    def log_out_everywhere(self, by: str = ACTOR) -> int:
        """End every session; how many there were."""
        return self._sessions.end_all(AuditEntry(by, "admin.logout_everywhere"))

    def audited(self, limit: int = 50, before: int | None = None) -> list[AuditEntry]:
        """The audit log, newest first."""
        return self._audit.entries(limit, before)

    def note(self, actor: str, action: str, subject: str = "", **detail: object) -> None:
        """Add to the audit log what was changed elsewhere: models, say, which are no rows."""
        self._audit.note(AuditEntry(actor, action, subject, detail))

    def _check(self, password: str, address: str) -> None:
        self._limits.take(f"login {network(address)}", TRIES, WINDOW)
        self._limits.take("login", TRIES_OF_ALL, WINDOW)
        hashed = self._facts.get(_PASSWORD)
        if hashed is not None and len(password) <= LONGEST:
            with self._hashing:
                if self._passwords.matches(hashed, password):
                    return
        self._audit.note(AuditEntry("nobody", "admin.login_failed", detail={"address": address}))
        raise Unauthenticated("that is not the administrator's password")

    def _set(self, password: str, by: str) -> None:
        with self._hashing:
            hashed = self._passwords.hashed(password)
        self._facts.put(_PASSWORD, hashed, AuditEntry(by, "admin.password"))
        self._sessions.end_all(AuditEntry(by, "admin.logout_everywhere"))

    def _digest(self, purpose: str, token: str) -> str:
        return secrets.digest(self._secret, purpose, token)


def network(address: str) -> str:
    """Whose tries count together: an IPv4 address, or all of an IPv6 network that one customer is given."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
