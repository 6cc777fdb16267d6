# SPDX-License-Identifier: Apache-2.0
"""Bodies that are no uploads: small ones as JSON or a form, and JSON documents. Knows no dialect."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from harken.errors import HarkenError, InvalidOption, InvalidRequest, UploadStalled, UploadTooLarge
from harken.server.forms import Fields
from harken.server.multipart import MAX_FIELDS, FieldsParser, boundary_of

Body = TypeVar("Body", bound=BaseModel)

MOST = 64 * 1024
"""Bytes of a small body."""
IDLE_SECONDS = 60.0
"""How long a client may send nothing."""
MOST_VALUES = 1_000_000
"""Numbers, texts, lists and objects in a document, about: what it takes in memory goes by them, not by its bytes."""
ONE_AT_A_TIME = threading.RLock()
"""Still that is many times its bytes: held while one is made, and by who makes more of it."""


async def fields(request: Request) -> Fields:
    """The fields of a request's body; none where it is empty.

    A JSON object is taken for what it is, whatever its type: curl's is that of a form. Raises InvalidRequest.
    """
    body = await _body(request, MOST, InvalidRequest)
    if not body.strip():
        return Fields([])
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = not body.lstrip().startswith(b"{")
    if form and kind == "multipart/form-data":
        parser = FieldsParser(boundary_of(request.headers.get("content-type")))
        parser.feed(body)
        return Fields(parser.form().fields)
    if form and kind == "application/x-www-form-urlencoded":
        return Fields(_urlencoded(body))
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is neither a form nor valid JSON") from None
    if not isinstance(told, dict):
        raise InvalidRequest("the body must be a JSON object")
    return Fields([(name, _text(value)) for name, value in told.items() if value is not None])


async def whole(request: Request, most: int) -> bytes:
    """A body of at most ``most`` bytes. Raises UploadTooLarge, UploadStalled, ClientDisconnect."""
    return await _body(request, most, UploadTooLarge)


def document(body: bytes, kind: type[Body]) -> Body:
    """A JSON body as what it must be; none is an empty object. Blocking.

    Raises UploadTooLarge for one with too much in it, InvalidRequest for what is no JSON, and InvalidOption, which
    names what is wrong.
    """
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        raise UploadTooLarge(f"the body holds more than {MOST_VALUES} values")
    try:
        with ONE_AT_A_TIME:
            return kind.model_validate_json(body if body.strip() else b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid" or not first["loc"]:
            raise InvalidRequest(f"the body must be a JSON object: {first['msg']}") from None
        if first["type"] == "too_long":
            raise UploadTooLarge(f"{first['loc'][-1]}: {first['msg']}") from None
        name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])[1:]
        raise InvalidOption(f"{name}: {first['msg']}", param=name) from None


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise InvalidRequest("the form is not UTF-8") from None
    except ValueError:
        raise InvalidRequest(f"the form has more than {MAX_FIELDS} fields") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("the body holds half of a character") from None
    return value


async def _body(request: Request, most: int, too_long: type[HarkenError]) -> bytes:
    body = bytearray()
    more = True
    while more:
        try:
            message = await asyncio.wait_for(request.receive(), IDLE_SECONDS)
        except TimeoutError:
            raise UploadStalled(f"nothing came for {IDLE_SECONDS:.0f} s in the middle of the body") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise too_long(f"the body is longer than {most} bytes")
    return bytes(body)
