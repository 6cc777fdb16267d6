# SPDX-License-Identifier: Apache-2.0
"""Enrolled voices: whoever speaks with one of them is named in later transcripts. Ours, beyond OpenAI's documents."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from harken.errors import InvalidOption
from harken.model import Voice
from harken.server.desk import Desk
from harken.server.dialects.openai import schema
from harken.server.dialects.openai.job_shapes import voice_shape
from harken.server.documents import form
from harken.server.forms import Fields
from harken.server.multipart import Form


def add(routes: APIRouter, desk: Desk) -> None:
    """The routes of this module."""

    @routes.get(
        "/voices",
        summary="Your enrolled voices, by name",
        response_class=JSONResponse,
        responses=schema.responses(schema.VOICE_LIST),
    )
    async def voices(request: Request) -> JSONResponse:
        found = await desk.call(desk.service.voices, desk.caller(request))
        return JSONResponse({"object": "list", "data": [voice_shape(voice) for voice in found]})

    @routes.post(
        "/voices",
        summary="Enrol a voice from a recording of one speaker",
        status_code=201,
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=form(schema.VOICE_FIELDS, idempotent=False, required=("file", "name")),
        responses=schema.responses(schema.ENROLLED, schema.ENROL_ERRORS),
    )
    async def enrol(request: Request) -> JSONResponse:
        async with desk.uploads.receive(request, check=_checked) as (form, upload):
            name = _checked(form)
            if name is None:
                raise InvalidOption("the form has no field named 'name': whose voice is it?", param="name")

            def learn() -> Voice:
                return desk.service.enrol(name, upload.source, desk.caller(request))

            return JSONResponse(voice_shape(await desk.learn(learn)), status_code=201)

    @routes.delete(
        "/voices/{name:path}",
        summary="Forget a voice",
        response_class=JSONResponse,
        responses=schema.responses(schema.FORGOTTEN, schema.VOICE_ERRORS),
    )
    async def forget(request: Request, name: str) -> JSONResponse:
        await desk.call(desk.service.forget, name, desk.caller(request))
        return JSONResponse({"object": "voice", "name": name, "deleted": True})


def _checked(form: Form) -> str | None:
    """The name, where it has come. Raises InvalidOption."""
    return Fields(form.fields).text("name")
