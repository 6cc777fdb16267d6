# SPDX-License-Identifier: Apache-2.0
"""What ``/openapi.json`` says of routes, as far as dialects have it in common. Knows no dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

Documented = Mapping[int, Mapping[str, Any]]
"""Answers by status, as FastAPI takes them."""


class Detail(BaseModel):
    """What went wrong, for people."""

    detail: str


def details(told: Mapping[int, str]) -> Documented:
    """Errors of the dialects that tell them as ``detail``, by status."""
    return {status: {"description": text, "model": Detail} for status, text in told.items()}


RECORDING: Mapping[str, Any] = {
    "type": "string",
    "format": "binary",
    "description": "The recording: anything FFmpeg reads, video too",
}
"""The part of a form that is one."""
_KEY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    "description": "The same key, body and caller give the same job; after a failure that is not their fault, another",
}

ALWAYS: Mapping[int, str] = {
    401: "No key, or one that is not valid",
    403: "Your key's policy does not allow it; `message` or `detail` names the policy",
    429: "Too many requests; `Retry-After` says when to come again",
    500: "The server's fault; its log has the details by request id",
    503: "A part of the server does not work for now; `Retry-After` says when to come again",
}
"""What every route may answer."""
UNPAID: Mapping[int, str] = {402: "The account's credits do not cover this"}
"""What every route may answer that has work done."""


def responses(*parts: Documented) -> dict[int | str, dict[str, Any]]:
    """The answers of a route."""
    told: dict[int | str, dict[str, Any]] = {}
    for part in parts:
        told.update({status: dict(text) for status, text in part.items()})
    return told


def form(fields: Mapping[str, Any], *, idempotent: bool = True, required: Sequence[str] = ("file",)) -> dict[str, Any]:
    """The request body of a route that takes a form."""
    return {
        "parameters": [_KEY] if idempotent else [],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "required": list(required), "properties": dict(fields)},
                }
            },
        },
    }


def body(fields: Mapping[str, Any], *, idempotent: bool = True, required: Sequence[str] = ()) -> dict[str, Any]:
    """The request body of a route that takes small fields, as JSON, where null is as good as none, or as a form."""
    named = {"required": list(required)} if required else {}
    form = {"type": "object", "properties": dict(fields), **named}
    null = {"type": "null"}
    told = {name: kind if name in required else {"anyOf": [kind, null]} for name, kind in fields.items()}
    content = {kind: {"schema": form} for kind in ("multipart/form-data", "application/x-www-form-urlencoded")}
    return {
        "parameters": [_KEY] if idempotent else [],
        "requestBody": {
            "required": bool(required),
            "content": {"application/json": {"schema": {**form, "properties": told}}, **content},
        },
    }


def document(kind: type[BaseModel], *, idempotent: bool = True, required: bool = True) -> dict[str, Any]:
    """The request body of a route that takes JSON and reads it itself."""
    schema = kind.model_json_schema()
    return {
        "parameters": [_KEY] if idempotent else [],
        "requestBody": {
            "required": required,
            "content": {"application/json": {"schema": _inlined(schema, schema.get("$defs", {}))}},
        },
    }


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema without references: routes that read their body themselves have no place for definitions."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(item, definitions) for name, item in schema.items() if name != "$defs"}
