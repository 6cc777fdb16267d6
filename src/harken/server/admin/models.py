# SPDX-License-Identifier: Apache-2.0
"""Models: what there is, what is installed and in whose memory; fetching, deleting, loading, letting go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request

from harken.server.admin import shapes
from harken.server.admin.entrance import Entrance
from harken.server.admin.schema import errors


def add(routes: APIRouter, entrance: Entrance) -> None:
    """Add the routes."""
    models = entrance.office.models

    def told(name: str) -> dict[str, Any]:
        known = models.model(name)
        return shapes.model(known, models.held().get(known.spec.name, ()))

    async def done(act: Callable[[], object], name: str) -> dict[str, Any]:
        """The model after something was done with it."""

        def both() -> dict[str, Any]:
            act()
            return told(name)

        return await entrance.ask(both)

    @routes.get("/models", summary="Every model there is, installed or not", responses=errors())
    async def every() -> dict[str, Any]:
        known, held = await entrance.ask(lambda: (models.all(), models.held()))
        return {"models": [shapes.model(one, held.get(one.spec.name, ())) for one in known]}

    @routes.get(
        "/models/{name}", summary="A model, how its fetch goes, and which workers hold it in memory", responses=errors()
    )
    async def one(name: str) -> dict[str, Any]:
        return await entrance.ask(lambda: told(name))

    @routes.post(
        "/models/{name}/fetch",
        status_code=202,
        summary="Begin to fetch a model; `/admin/api/models/{name}` tells how it goes",
        responses=errors(),
    )
    async def fetch(request: Request, name: str) -> dict[str, Any]:
        return await done(lambda: models.fetch(name, request.state.actor), name)

    @routes.delete(
        "/models/{name}/fetch",
        summary="Call off the fetch of a model, if one is under way; what came is kept for the next",
        responses=errors(),
    )
    async def cancel(request: Request, name: str) -> dict[str, Any]:
        return await done(lambda: models.cancel_fetch(name, request.state.actor), name)

    @routes.delete("/models/{name}", summary="Delete a model's files", responses=errors(404, 409))
    async def delete(request: Request, name: str) -> dict[str, int]:
        return {"freed": await entrance.ask(lambda: models.delete(name, request.state.actor))}

    @routes.post(
        "/models/{name}/load",
        status_code=202,
        summary="Have every worker load a model into memory, fetched first if need be; `workers` tells how it goes",
        responses=errors(),
    )
    async def load(request: Request, name: str) -> dict[str, Any]:
        return await done(lambda: models.hold(name, request.state.actor, load=True), name)

    @routes.post(
        "/models/{name}/unload",
        status_code=202,
        summary="Have every worker give back a model's memory; the next job that asks for it loads it again",
        responses=errors(),
    )
    async def unload(request: Request, name: str) -> dict[str, Any]:
        return await done(lambda: models.hold(name, request.state.actor, load=False), name)
