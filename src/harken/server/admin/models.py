# SPDX-License-Identifier: Apache-2.0
"""Models: what there is, what is installed, fetching and deleting."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from harken.server.admin import shapes
from harken.server.admin.entrance import Entrance
from harken.server.admin.schema import errors


def add(routes: APIRouter, entrance: Entrance) -> None:
    """Add the routes."""
    models = entrance.office.models

    @routes.get("/models", summary="Every model there is, installed or not", responses=errors())
    async def every() -> dict[str, Any]:
        found = await entrance.ask(models.all)
        return {"models": [shapes.model(known) for known in found]}

    @routes.get("/models/{name}", summary="A model, and how its fetch goes", responses=errors())
    async def one(name: str) -> dict[str, Any]:
        return shapes.model(await entrance.ask(lambda: models.model(name)))

    @routes.post(
        "/models/{name}/fetch",
        status_code=202,
        summary="Begin to fetch a model; `/admin/api/models/{name}` tells how it goes",
        responses=errors(),
    )
    async def fetch(request: Request, name: str) -> dict[str, Any]:
        def begun() -> dict[str, Any]:
            models.fetch(name, request.state.actor)
            return shapes.model(models.model(name))

        return await entrance.ask(begun)

    @routes.delete(
        "/models/{name}/fetch",
        summary="Call off the fetch of a model, if one is under way; what came is kept for the next",
        responses=errors(),
    )
    async def cancel(request: Request, name: str) -> dict[str, Any]:
        def cancelled() -> dict[str, Any]:
            models.cancel_fetch(name, request.state.actor)
            return shapes.model(models.model(name))

        return await entrance.ask(cancelled)

    @routes.delete("/models/{name}", summary="Delete a model's files", responses=errors(404, 409))
    async def delete(request: Request, name: str) -> dict[str, int]:
        return {"freed": await entrance.ask(lambda: models.delete(name, request.state.actor))}

    @routes.post("/models/{name}/load", summary="Refused by name: workers load what jobs ask for", responses=errors())
    async def load(name: str) -> None:
        await entrance.ask(lambda: models.hold(name, "load"))

    @routes.post(
        "/models/{name}/unload", summary="Refused by name: workers keep what they used last", responses=errors()
    )
    async def unload(name: str) -> None:
        await entrance.ask(lambda: models.hold(name, "unload"))
