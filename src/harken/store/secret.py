# SPDX-License-Identifier: Apache-2.0
"""The server's secret: a file in the data folder that only its owner reads, unless the settings have it.

Every server on one database must have the same. Knows no key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from harken.errors import InvalidOption, WrongSecret
from harken.model import AuditEntry
from harken.ports import Facts

FILE = "secret"
_BYTES = 32
_SHORTEST = 32
"""Characters of a secret from the settings."""
_FACT = "secret"


def server_secret(setting: str | None, folder: Path) -> bytes:
    """The secret from the settings, or else that of the data folder, which is made when it is not there.

    Raises:
        InvalidOption: it is too short, or others may read the file.
        OSError: the file cannot be read or made.
    """
    if setting is not None:
        if len(setting) < _SHORTEST:
            raise InvalidOption(
                f"HARKEN_SECRET must have {_SHORTEST} characters at least; openssl rand -hex 32 makes one"
            )
        return setting.encode("utf-8", "surrogatepass")
    path = folder / FILE
    if not path.exists():
        _make(path)
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidOption(
            "others can read the server's secret in the data folder: chmod 600 it, and make keys anew if they may have",
            detail=str(path),
        )
    text = path.read_text(encoding="ascii").strip()
    if len(text) < _SHORTEST:
        raise InvalidOption("the file with the server's secret does not hold one", detail=str(path))
    return text.encode()


def hold_to(facts: Facts, secret: bytes) -> None:
    """Have the database remember the secret it is used with, by a hash. Raises WrongSecret for another one."""
    if facts.first(_FACT, _mark(secret)) != _mark(secret):
        raise WrongSecret(
            "the keys in the database were made with another secret: bring back the file 'secret' of the data folder, "
            "or HARKEN_SECRET. Every server on one database needs the same: set HARKEN_SECRET on all that share no "
            "data folder. If it is lost: harken keys start-over"
        )


def adopt(facts: Facts, secret: bytes, audit: AuditEntry) -> None:
    """Have the database remember this secret in place of one that is lost."""
    facts.put(_FACT, _mark(secret), audit)


def _mark(secret: bytes) -> str:
    return hmac.new(secret, b"which secret this is", hashlib.sha256).hexdigest()


def _make(path: Path) -> None:
    """Of several who make it at once, all have the first one's."""
    mine = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(mine, path)
        except FileExistsError:
            return
    finally:
        mine.unlink()
