# SPDX-License-Identifier: Apache-2.0
"""The models that requests may name, as OpenAI lists them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from harken.errors import UnknownModel
from harken.models.catalog import DEFAULT_ALIAS, Catalog
from harken.server.desk import Desk
from harken.server.dialects.openai import schema
from harken.server.dialects.openai.shapes import error_shape
from harken.server.problems import Problem

RELEASED = 1_663_718_400
"""When Whisper came out, in seconds since the epoch: OpenAI's clients want a date, the catalog knows none."""


def add(routes: APIRouter, desk: Desk, installed: Callable[[], Collection[str]]) -> None:
    """The routes of this module. ``installed`` names the models that are on this machine."""

    @routes.get(
        "/models",
        summary="The models that requests may name",
        response_class=JSONResponse,
        responses=schema.responses(schema.MODEL_LIST),
    )
    @routes.get(
        "/transcription-models",
        summary="The same, under a clearer name",
        response_class=JSONResponse,
        responses=schema.responses(schema.MODEL_LIST),
    )
    async def models() -> JSONResponse:
        catalog = desk.service.catalog
        here = await desk.call(installed)
        names = (
            DEFAULT_ALIAS,
            *(preset.name for preset in catalog.presets()),
            *(spec.name for spec in catalog.models()),
        )
        return JSONResponse({"object": "list", "data": [_shape(catalog, name, here) for name in names]})

    @routes.get(
        "/models/{model_id:path}",
        summary="One model, by any of its names",
        response_class=JSONResponse,
        responses=schema.responses(schema.MODEL, schema.MODEL_ERRORS),
    )
    async def model(request: Request, model_id: str) -> JSONResponse:
        here = await desk.call(installed)
        try:
            return JSONResponse(_shape(desk.service.catalog, model_id, here))
        except UnknownModel as error:
            problem = Problem(404, error.code, error.message, "model")
            return JSONResponse(error_shape(problem, request.state.request_id), status_code=404)


def _shape(catalog: Catalog, name: str, installed: Collection[str]) -> dict[str, Any]:
    resolved = catalog.resolve(name)
    spec = resolved.spec
    return {
        "id": name,
        "object": "model",
        "created": RELEASED,
        "owned_by": "harken",
        "model": spec.name,
        "aliases": list(spec.aliases) if resolved.preset is None else [],
        "description": spec.description,
        "multilingual": spec.multilingual,
        "translates": spec.can_translate,
        "installed": spec.name in installed,
        "default": resolved.name == catalog.default.name,
    }
