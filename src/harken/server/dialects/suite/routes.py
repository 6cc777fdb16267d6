# SPDX-License-Identifier: Apache-2.0
"""The dialect's routes, put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from fastapi import APIRouter

from harken.errors import MediaError
from harken.server.desk import Desk
from harken.server.dialects.suite import chat, debug, live, retranslate, summary, transcribe
from harken.server.dialects.suite.shapes import failed_message
from harken.server.problems import Problems, detail_shape

PREFIXES: Mapping[str, str] = {
    "transcribe": transcribe.PREFIX,
    "summary": summary.PREFIX,
    "chat": chat.PREFIX,
    "retranslate": retranslate.PREFIX,
}
"""What ``/`` tells of this dialect, by name."""

OWNED = ("/api/transcribe", "/api/summary", "/api/chat", "/api/retranslate", "/health", "/")
"""Paths whose errors this dialect tells."""


def router(desk: Desk, installed: Callable[[], Collection[str]]) -> APIRouter:
    """The routes. ``installed`` names the models that are on this machine."""
    routes = APIRouter(tags=["suite"])
    transcribe.add(routes, desk, installed)
    live.add(routes, desk)
    debug.add(routes, desk)
    summary.add(routes, desk)
    chat.add(routes, desk)
    retranslate.add(routes, desk)
    return routes


def register(problems: Problems) -> None:
    """Have this dialect's errors told in its own shape; what is no audio is a bad request here."""
    for prefix in OWNED:
        problems.register(prefix, detail_shape, {MediaError: 400}, failed_message)
