# SPDX-License-Identifier: Apache-2.0
"""Keys and tokens: how they are made, and what is kept of them in place of them.

Only hashes under the server's secret are kept, so that whoever reads the database can neither use them nor try guesses.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Letters and digits, so that a double click marks all of a key."""
_PREFIX = 10
_SECRET = 40
"""238 bits."""
_FORM = re.compile(rf"hk_([0-9A-Za-z]{{{_PREFIX}}})_[0-9A-Za-z]{{{_SECRET}}}")


def new_key() -> tuple[str, str]:
    """An API key, and the prefix by which it is found."""
    prefix = _random(_PREFIX)
    return f"hk_{prefix}_{_random(_SECRET)}", prefix


def prefix_of(presented: str) -> str | None:
    """The prefix of what has the form of a key; None for what has not."""
    match = _FORM.fullmatch(presented)
    return None if match is None else match[1]


def new_token() -> str:
    """A token for a session."""
    return _random(_SECRET)


def new_password() -> str:
    """A password that nobody guesses and that can be typed: 119 bits."""
    return _random(20)


def digest(secret: bytes, purpose: str, value: str) -> str:
    """HMAC-SHA256 of a value under the server's secret, as hex; one purpose's are of no use for another."""
    return hmac.new(secret, f"{purpose}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether what was presented is the hash, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "surrogatepass"))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
