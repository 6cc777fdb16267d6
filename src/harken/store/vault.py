# SPDX-License-Identifier: Apache-2.0
"""Secrets that must be known again, unlike keys: sealed, so that whoever reads the database cannot use them.

AES-256-GCM (NIST SP 800-38D) under a key made of the server's secret, with a random nonce each. Knows no table.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from Cryptodome.Cipher import AES
from Cryptodome.Cipher._mode_gcm import GcmMode
from Cryptodome.Random import get_random_bytes

_SEALED = "sealed:"
"""What was kept before there was a vault has no such beginning, and is as it is."""
_NONCE, _TAG = 12, 16


class Vault:
    """Seals values under a key of its own. Thread-safe.

    Args:
        secret: the server's secret.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.new(secret, b"sealed in the database", hashlib.sha256).digest()

    def seal(self, value: str, owner: str) -> str:
        """What is kept of a value of ``owner``'s, and opens as theirs alone."""
        nonce = get_random_bytes(_NONCE)
        sealed, tag = self._cipher(nonce, owner).encrypt_and_digest(value.encode())
        return _SEALED + base64.b64encode(b"".join((nonce, tag, sealed))).decode()

    def open(self, kept: str, owner: str) -> str | None:
        """The value; None where it was sealed under another secret, or as another's."""
        if not kept.startswith(_SEALED):
            return kept
        sealed = base64.b64decode(kept.removeprefix(_SEALED))
        nonce, tag, rest = sealed[:_NONCE], sealed[_NONCE : _NONCE + _TAG], sealed[_NONCE + _TAG :]
        try:
            return self._cipher(nonce, owner).decrypt_and_verify(rest, tag).decode()
        except ValueError:
            return None

    def _cipher(self, nonce: bytes, owner: str) -> GcmMode:
        cipher = AES.new(self._key, AES.MODE_GCM, nonce=nonce, mac_len=_TAG)
        cipher.update(owner.encode("utf-8", "surrogatepass"))
        return cipher
