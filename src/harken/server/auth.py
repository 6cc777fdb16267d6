# SPDX-License-Identifier: Apache-2.0
"""Who calls: a static set of API keys from the settings, or everyone as one caller where there are none.

Keys are kept as SHA-256 and compared in constant time. A caller's id, which owns jobs, is made of the key's hash: it
stays the same over restarts and does not give the key away.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from harken.errors import Unauthenticated
from harken.service import Caller

EVERYONE = Caller("everyone")
"""The one caller of a server without keys."""


class KeyRing:
    """The keys that may call."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(hashlib.sha256(key.encode()).digest() for key in keys)

    @property
    def open(self) -> bool:
        """Whether there are no keys, and so nothing to check."""
        return not self._digests

    def caller(self, authorization: str | None) -> Caller:
        """The caller behind an ``Authorization`` header. Raises Unauthenticated."""
        if self.open:
            return EVERYONE
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Unauthenticated("this server wants an API key, as the header 'Authorization: Bearer KEY'")
        presented = hashlib.sha256(key.strip().encode()).digest()
        matches = [hmac.compare_digest(presented, digest) for digest in self._digests]
        if not any(matches):
            raise Unauthenticated("this API key is not valid")
        return Caller(f"key-{presented.hex()[:24]}")
