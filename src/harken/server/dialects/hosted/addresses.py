# SPDX-License-Identifier: Apache-2.0
"""Addresses that end with a slash, and are there without it too.

Both at once, for a redirect from one to the other would have the client send its recording twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.responses import Response

Route = TypeVar("Route", bound=Callable[..., Awaitable[Response]])


def at(routes: APIRouter, method: str, path: str, **told: Any) -> Callable[[Route], Route]:
    """A decorator: serve ``path``, which ends with a slash, and the same without. ``told`` is FastAPI's."""

    def add(route: Route) -> Route:
        routes.add_api_route(path, route, methods=[method], **told)
        routes.add_api_route(path.removesuffix("/"), route, methods=[method], **told, include_in_schema=False)
        return route

    return add
