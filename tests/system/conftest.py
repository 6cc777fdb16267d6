# SPDX-License-Identifier: Apache-2.0
"""Recordings for the whole server."""

from __future__ import annotations

from tests.worker.conftest import clips, recording

__all__ = ["clips", "recording"]
