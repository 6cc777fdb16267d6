# SPDX-License-Identifier: Apache-2.0
"""Webhooks: what was delivered and what is to be, delivering it again, and what messages are signed with."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from harken.server.desk import Desk
from harken.server.dialects.hosted import schema, shapes
from harken.server.dialects.hosted.addresses import at

WEBHOOKS = "/webhooks/"
SECRET = WEBHOOKS + "secret/"


def add(routes: APIRouter, desk: Desk) -> None:
    """The routes of this module."""
    serve = partial(at, routes, response_class=JSONResponse)
    webhooks = desk.service.webhooks

    @serve("GET", WEBHOOKS, summary="What webhooks were sent, with every try", responses=schema.DELIVERIES)
    async def deliveries(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
    ) -> Response:
        page = await desk.call(webhooks.deliveries, desk.caller(request), limit, cursor or None)
        told = [shapes.delivery_shape(delivery) for delivery in page.deliveries]
        return JSONResponse({"webhooks": told, "next_cursor": page.next})

    @serve("GET", SECRET, summary="What webhooks are signed with", responses=schema.SECRET)
    async def secret(request: Request) -> Response:
        return _secrets(await desk.call(webhooks.secrets, desk.caller(request)))

    @serve("POST", SECRET + "rotate/", summary="Have webhooks signed with a new secret", responses=schema.SECRET)
    async def rotate(request: Request) -> Response:
        def make() -> list[str]:
            webhooks.rotate(desk.caller(request))
            return webhooks.secrets(desk.caller(request))

        return _secrets(await desk.call(make))

    @serve(
        "POST",
        WEBHOOKS + "{delivery_id:uuid}/replay/",
        summary="Send a webhook again, and take its receiver for alive",
        status_code=202,
        responses=schema.REPLAYED,
    )
    async def replay(request: Request, delivery_id: UUID) -> Response:
        delivery = await desk.call(webhooks.replay, str(delivery_id), desk.caller(request))
        return JSONResponse(shapes.delivery_shape(delivery), status_code=202)


def _secrets(secrets: list[str]) -> Response:
    return JSONResponse({"secret": secrets[0], "previous": secrets[1:]}, headers={"Cache-Control": "no-store"})
