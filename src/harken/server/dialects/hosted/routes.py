# SPDX-License-Identifier: Apache-2.0
"""The dialect's routes, put together."""

from __future__ import annotations

from fastapi import APIRouter

from harken.server.desk import Desk
from harken.server.dialects.hosted import transcriptions, webhooks
from harken.server.dialects.hosted.shapes import error_shape
from harken.server.problems import Problems

PREFIX = "/api/v1"


def router(desk: Desk) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PREFIX, tags=["hosted"])
    transcriptions.add(routes, desk)
    webhooks.add(routes, desk)
    return routes


def register(problems: Problems) -> None:
    """Have this dialect's errors told in its own shape."""
    problems.register(PREFIX, error_shape)
