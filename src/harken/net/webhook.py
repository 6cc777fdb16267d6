# SPDX-License-Identifier: Apache-2.0
"""Webhooks: signed by the Standard Webhooks scheme (specification 1.0), delivered through the guard, one try at a time.

Knows no log and no queue: who calls it keeps those, and asks :func:`delay` when to try again.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harken.errors import AddressRefused, FetchError, InvalidOption
from harken.net.addresses import parse
from harken.net.fetch import AGENT
from harken.net.guard import Guard
from harken.net.http import Answer, exchange
from harken.net.watch import Limits, Watch

LIMITS = Limits(max_bytes=1024, connect=10.0, idle=15.0, total=30.0)
"""Of one try; the bytes are those of the answer that are read."""

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)
_PAUSES = (10.0, 300.0, 1800.0, 7200.0, 28800.0, 57600.0, 86400.0)
"""Longest pauses between tries, in seconds: with jitter, 25 hours on average."""
_LONGEST_RETRY_AFTER = 86400.0


class Outcome(StrEnum):
    """What came of one try."""

    DELIVERED = "delivered"
    FAILED = "failed"  # try again
    GONE = "gone"  # the receiver wants no more, from now on
    REFUSED = "refused"  # we may not call that address


@dataclass(frozen=True, slots=True)
class Receipt:
    """One try. ``status`` is the receiver's, if it answered; ``reason`` says for people what went wrong.

    ``answer`` is the beginning of what it said, ``retry_after`` the seconds that it asks to be left alone for.
    """

    outcome: Outcome
    status: int | None = None
    reason: str | None = None
    answer: str = ""
    retry_after: float | None = None


def new_secret() -> str:
    """A secret to sign with, as receivers are given it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(body: bytes, keys: Sequence[str], message_id: str, timestamp: int) -> dict[str, str]:
    """The three headers that prove where ``body`` comes from, with a signature by each of the secrets ``keys``.

    Several are for the time in which a receiver changes from one secret to the next. ``message_id`` is the same at
    every try, ``timestamp`` (seconds since 1970) is that of the try: receivers refuse old ones.

    Raises:
        ValueError: a secret is not one, or there is none.
    """
    if not keys:
        raise ValueError("a webhook needs a secret to be signed with")
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signatures = [base64.b64encode(hmac.digest(_key(key), signed, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def deliver(
    guard: Guard,
    url: str,
    body: bytes,
    keys: Sequence[str],
    *,
    message_id: str,
    timestamp: int,
    limits: Limits = LIMITS,
    cancelled: Callable[[], bool] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Receipt:
    """Send ``body``, which is JSON, to ``url`` once. Blocks for ``limits.total`` seconds at most.

    What the receiver or the network does wrong is in the receipt. Raises JobCancelled, and ValueError as :func:`sign`.
    """
    headers = {"Content-Type": "application/json", "User-Agent": AGENT, **sign(body, keys, message_id, timestamp)}
    try:
        target = parse(url)
        with exchange(
            guard, target, Watch(limits, cancelled), method="POST", headers=headers, body=body, tls=tls
        ) as answer:
            return _receipt(answer, limits.max_bytes)
    except (AddressRefused, InvalidOption) as error:
        return Receipt(Outcome.REFUSED, reason=error.message)
    except FetchError as error:
        return Receipt(Outcome.FAILED, reason=error.message)


def delay(failed: int, chance: float) -> float | None:
    """Seconds until the next try, after ``failed`` tries (1 or more) have failed; None: that was the last.

    ``chance`` is a random number from 0 to 1. The whole pause is drawn (full jitter), so that what failed together is
    not tried again together.
    """
    return _PAUSES[failed - 1] * chance if failed <= len(_PAUSES) else None


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise ValueError(f"a webhook secret is {_PREFIX} and 24 to 64 bytes in base64")
    return key


def _receipt(answer: Answer, most: int) -> Receipt:
    if 200 <= answer.status < 300:
        return Receipt(Outcome.DELIVERED, answer.status, answer=_beginning(answer, most))
    if answer.status == 410:
        return Receipt(Outcome.GONE, 410, "the receiver says that it wants no more", _beginning(answer, most))
    reason = f"the receiver answers {answer.status}"
    if 300 <= answer.status < 400:
        reason += "; redirects are not followed, name the address that it leads to"
    asked = answer.header("retry-after")
    after = min(float(asked), _LONGEST_RETRY_AFTER) if asked.isdecimal() and asked.isascii() else None
    return Receipt(Outcome.FAILED, answer.status, reason, _beginning(answer, most), after)


def _beginning(answer: Answer, most: int) -> str:
    """What it says, up to ``most`` bytes. The status has told all that counts, so this may break off."""
    said = b""
    with contextlib.suppress(FetchError):
        for piece in answer.body:
            said += piece
            if len(said) >= most:
                break
    return said[:most].decode("utf-8", "replace")
