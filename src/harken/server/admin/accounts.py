# SPDX-License-Identifier: Apache-2.0
"""Accounts and their credits."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from harken.errors import InvalidOption
from harken.model import Account
from harken.model.credits import CREDIT
from harken.server.admin import shapes
from harken.server.admin.entrance import Entrance
from harken.server.admin.schema import ChangedAccount, Grant, NewAccount, errors
from harken.server.documents import document


def add(routes: APIRouter, entrance: Entrance) -> None:
    """Add the routes."""
    accounts = entrance.office.accounts

    def told(one: Account) -> dict[str, Any]:
        return shapes.account(one, accounts.balance(one.id))

    @routes.get("/accounts", summary="The accounts, oldest first", responses=errors())
    async def every() -> dict[str, Any]:
        return {"accounts": await entrance.ask(lambda: [told(one) for one in accounts.accounts()])}

    @routes.post(
        "/accounts",
        status_code=201,
        summary="Make an account",
        openapi_extra=document(NewAccount, idempotent=False),
        responses=errors(408, 413),
    )
    async def create(request: Request) -> dict[str, Any]:
        asked = await entrance.told(request, NewAccount)
        return await entrance.ask(lambda: told(accounts.create(asked.name, request.state.actor)))

    @routes.get("/accounts/{account_id}", summary="An account", responses=errors(404))
    async def one(account_id: str) -> dict[str, Any]:
        return await entrance.ask(lambda: told(accounts.account(account_id)))

    @routes.patch(
        "/accounts/{account_id}",
        summary="Rename an account, close it, or open it again; keys of a closed one open nothing",
        openapi_extra=document(ChangedAccount, idempotent=False),
        responses=errors(404, 408, 413),
    )
    async def change(request: Request, account_id: str) -> dict[str, Any]:
        asked = await entrance.told(request, ChangedAccount)
        by = request.state.actor

        def changed() -> dict[str, Any]:
            found = accounts.account(account_id)
            if asked.name is not None:
                found = accounts.rename(account_id, asked.name, by)
            if asked.closed is not None and asked.closed is not (found.closed is not None):
                found = accounts.close(account_id, by, closed=asked.closed)
            return told(found)

        return await entrance.ask(changed)

    @routes.get(
        "/accounts/{account_id}/credits",
        summary="What is left of an account's credits (null is unlimited), and its ledger, newest first",
        responses=errors(404),
    )
    async def ledger(
        account_id: str,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    ) -> dict[str, Any]:
        def read() -> dict[str, Any]:
            accounts.account(account_id)
            entries = accounts.entries(account_id, limit, before)
            return {
                "balance": shapes.credits_of(accounts.balance(account_id)),
                "entries": [shapes.credit_entry(entry) for entry in entries],
                "next": entries[-1].id if len(entries) == limit else None,
            }

        return await entrance.ask(read)

    @routes.post(
        "/accounts/{account_id}/credits",
        summary="Give an account credits, or take some; from then on its work costs",
        openapi_extra=document(Grant, idempotent=False),
        responses=errors(404, 408, 413),
    )
    async def grant(request: Request, account_id: str) -> dict[str, Any]:
        asked = await entrance.told(request, Grant)
        amount = round(asked.credits * CREDIT)
        if abs(amount - asked.credits * CREDIT) > 1e-3:
            raise InvalidOption("credits have three decimals at most", param="credits")
        balance = await entrance.ask(lambda: accounts.grant(account_id, amount, request.state.actor, asked.note))
        return {"balance": shapes.credits_of(balance)}

    @routes.delete(
        "/accounts/{account_id}/credits",
        summary="Let work cost an account nothing from now on; its ledger stays",
        responses=errors(404),
    )
    async def unlimited(request: Request, account_id: str) -> dict[str, Any]:
        await entrance.ask(lambda: accounts.unlimited(account_id, request.state.actor))
        return {"balance": None}
