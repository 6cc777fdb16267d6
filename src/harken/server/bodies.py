# SPDX-License-Identifier: Apache-2.0
"""Small bodies: JSON or a form, read as fields, so that a request may come in either. Knows no dialect."""

from __future__ import annotations

import json

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from harken.errors import InvalidRequest
from harken.server.forms import Fields

MOST = 64 * 1024
"""Bytes of a body."""


async def fields(request: Request) -> Fields:
    """The fields of a request's body; none where it is empty.

    JSON is taken for what it says, whatever its type, unless the type is a form's. Raises InvalidRequest.
    """
    body = await _body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return Fields([(name, value) for name, value in await _form(request, body) if isinstance(value, str)])
    if not body.strip():
        return Fields([])
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is neither a form nor valid JSON") from None
    if not isinstance(told, dict):
        raise InvalidRequest("the body must be a JSON object")
    return Fields([(name, _text(value)) for name, value in told.items() if value is not None])


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


async def _form(request: Request, body: bytes) -> list[tuple[str, object]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, receive).form() as form:
            return list(form.multi_items())
    except HTTPException as error:
        raise InvalidRequest(f"the form is malformed: {error.detail}") from error


async def _body(request: Request) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST:
            raise InvalidRequest(f"the body is longer than {MOST} bytes")
    return bytes(body)
