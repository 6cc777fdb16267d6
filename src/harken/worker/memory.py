# SPDX-License-Identifier: Apache-2.0
"""Giving freed memory back to the system at once, where the C library is asked to (glibc); elsewhere it decides."""

from __future__ import annotations

import contextlib
import ctypes


def give_back() -> None:
    """Give back what was freed. glibc keeps what lies between pieces in use: after a model has gone, most of it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
