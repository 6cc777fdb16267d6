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


ALWAYS: Mapping[int, str] = {
    401: "No key, or one that is not valid",
    429: "Too many requests; `Retry-After` says when to come again",
    500: "The server's fault; its log has the details by request id",
}
"""What every route may answer."""


def responses(*parts: Documented) -> dict[int | str, dict[str, Any]]:
    """The answers of a route."""
    told: dict[int | str, dict[str, Any]] = {}
    for part in parts:
        told.update({status: dict(text) for status, text in part.items()})
    return told


def form(fields: Mapping[str, Any], *, idempotent: bool = True, required: Sequence[str] = ("file",)) -> dict[str, Any]:
    """The request body of a route that takes a form."""
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
        "description": "The same key, body and caller give the same job",
    }
    return {
        "parameters": [key] if idempotent else [],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "required": list(required), "properties": dict(fields)},
                }
            },
        },
    }
