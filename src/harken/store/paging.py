# SPDX-License-Identifier: Apache-2.0
"""Places in lists that are read page by page, newest first, as text that clients hand back."""

from __future__ import annotations

import base64
import binascii
import math

from harken.errors import InvalidOption


def cursor_of(created: float, row_id: str) -> str:
    """The place behind a row."""
    return base64.urlsafe_b64encode(f"{created!r} {row_id}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> tuple[float, str]:
    """When that row was made, and its id. Raises InvalidOption."""
    wrong = InvalidOption("the cursor is not one that this list gave", param="cursor")
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created, row_id = base64.urlsafe_b64decode(padded.encode("ascii")).decode("ascii").split(" ")
        place = float(created), row_id
    except (UnicodeError, binascii.Error, ValueError) as error:
        raise wrong from error
    if not math.isfinite(place[0]) or not row_id.isprintable():
        raise wrong
    return place
