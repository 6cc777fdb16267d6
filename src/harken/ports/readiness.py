# SPDX-License-Identifier: Apache-2.0
"""Whether a server can do its work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """One part that must work before the server can: its name, whether it does, and what to do if not."""

    part: str
    ok: bool
    detail: str
