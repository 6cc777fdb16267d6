# SPDX-License-Identifier: Apache-2.0
"""API keys, which this API calls tokens: made, listed, changed, revoked."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request

from harken.model import Policy
from harken.server.admin import shapes
from harken.server.admin.entrance import Entrance
from harken.server.admin.schema import ChangedToken, NewToken, errors
from harken.server.documents import document


def add(routes: APIRouter, entrance: Entrance) -> None:
    """Add the routes."""
    accounts = entrance.office.accounts

    @routes.get("/tokens", summary="The keys, or those of an account, oldest first", responses=errors())
    async def tokens(account: str | None = None) -> dict[str, Any]:
        found = await entrance.ask(lambda: accounts.keys(account))
        now = time.time()
        return {"tokens": [shapes.token(key, now) for key in found]}

    @routes.post(
        "/tokens",
        status_code=201,
        summary="Make a key; `key` is told this once",
        openapi_extra=document(NewToken, idempotent=False),
        responses=errors(404, 408, 413),
    )
    async def create(request: Request) -> dict[str, Any]:
        asked = await entrance.told(request, NewToken)
        policy = _policy(asked)
        key, full = await entrance.ask(
            lambda: accounts.create_key(asked.account, asked.name, policy, request.state.actor, expires=asked.expires)
        )
        return {"key": full, "token": shapes.token(key, time.time())}

    @routes.get("/tokens/{token_id}", summary="A key", responses=errors(404))
    async def token(token_id: str) -> dict[str, Any]:
        found = await entrance.ask(lambda: accounts.key(token_id))
        return shapes.token(found, time.time())

    @routes.patch(
        "/tokens/{token_id}",
        summary="Change what a key is called, what it may do, or until when",
        openapi_extra=document(ChangedToken, idempotent=False),
        responses=errors(404, 408, 413),
    )
    async def change(request: Request, token_id: str) -> dict[str, Any]:
        asked = await entrance.told(request, ChangedToken)
        key = await entrance.ask(lambda: accounts.key(token_id))
        now = {
            "account": key.account,
            "name": key.name,
            "scopes": list(key.policy.scopes),
            "models": list(key.policy.models),
            "languages": list(key.policy.languages),
            "rate": key.policy.rate,
            "concurrency": key.policy.concurrency,
            "expires": key.expires,
        }
        wanted = NewToken.model_construct(**{**now, **asked.model_dump(exclude_unset=True)})
        changed = await entrance.ask(
            lambda: accounts.change_key(
                key.id, wanted.name, _policy(wanted), request.state.actor, expires=wanted.expires
            )
        )
        return shapes.token(changed, time.time())

    @routes.delete("/tokens/{token_id}", summary="Revoke a key, for good; it stays in the list", responses=errors(404))
    async def revoke(request: Request, token_id: str) -> dict[str, Any]:
        key = await entrance.ask(lambda: accounts.key(token_id))
        revoked = await entrance.ask(lambda: accounts.revoke_key(key.id, request.state.actor))
        return shapes.token(revoked, time.time())


def _policy(asked: NewToken) -> Policy:
    return Policy(frozenset(asked.scopes), tuple(asked.models), tuple(asked.languages), asked.rate, asked.concurrency)
