# SPDX-License-Identifier: Apache-2.0
"""The dialect's routes, put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from fastapi import APIRouter

from harken.server.desk import Desk
from harken.server.dialects.openai import audio, jobs, models, stages, voices
from harken.server.dialects.openai.shapes import Runtime

PREFIX = "/v1"


def router(desk: Desk, runtime: Mapping[str, Any], installed: Callable[[], Collection[str]]) -> APIRouter:
    """The routes.

    ``runtime`` is what the operator runs on (device, compute type), told with every transcript; ``installed`` names
    the models that are on this machine.
    """
    routes = APIRouter(prefix=PREFIX, tags=["openai"])
    used = Runtime(desk.service.catalog, runtime)
    audio.add(routes, desk, used)
    jobs.add(routes, desk, used)
    stages.add(routes, desk)
    voices.add(routes, desk)
    models.add(routes, desk, installed)
    return routes
