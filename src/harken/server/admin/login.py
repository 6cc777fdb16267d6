# SPDX-License-Identifier: Apache-2.0
"""Logging in and out, here and everywhere, and another password."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from harken.errors import InvalidRequest
from harken.server.admin.entrance import (
    COOKIE,
    Entrance,
    address,
    check_site,
    give_cookie,
    keep_to_oneself,
    take_cookie,
)
from harken.server.admin.schema import NewPassword, Password, errors
from harken.server.documents import document


def door(entrance: Entrance) -> APIRouter:
    """The one route for those who are not in yet."""
    routes = APIRouter()
    office = entrance.office

    @routes.post(
        "/login",
        summary="Begin a session: a cookie, and the CSRF token for requests that change something",
        openapi_extra=document(Password, idempotent=False),
        responses=errors(408, 413),
    )
    async def login(request: Request) -> JSONResponse:
        keep_to_oneself(request)
        check_site(request)
        asked = await entrance.told(request, Password)
        given = asked.password.get_secret_value()
        begun = await entrance.hash(lambda: office.admin.log_in(given, address(request)))
        answer = JSONResponse({"csrf": begun.csrf, "expires": begun.session.expires})
        give_cookie(request, answer, begun)
        return answer

    return routes


def add(routes: APIRouter, entrance: Entrance) -> None:
    """Add the others."""
    office = entrance.office

    @routes.get("/session", summary="This session, and its CSRF token", responses=errors())
    async def session(request: Request) -> JSONResponse:
        token = request.cookies.get(COOKIE)
        if "authorization" in request.headers or token is None:
            raise InvalidRequest("a key has no session; requests with one need no CSRF token")
        found = await entrance.ask(lambda: office.admin.session(token))
        return JSONResponse(
            {
                "csrf": office.admin.csrf(token),
                "created": found.created,
                "expires": found.expires,
                "from": found.address,
            }
        )

    @routes.post("/logout", status_code=204, summary="End this session", responses=errors())
    async def logout(request: Request) -> Response:
        token = request.cookies.get(COOKIE)
        if token is not None and "authorization" not in request.headers:
            await entrance.ask(lambda: office.admin.log_out(token))
        answer = Response(status_code=204)
        take_cookie(answer)
        return answer

    @routes.post("/logout-everywhere", summary="End every session, this one too", responses=errors())
    async def logout_everywhere(request: Request) -> JSONResponse:
        ended = await entrance.ask(lambda: office.admin.log_out_everywhere(request.state.actor))
        answer = JSONResponse({"ended": ended})
        take_cookie(answer)
        return answer

    @routes.post(
        "/password",
        status_code=204,
        summary="Change the password; every session ends",
        openapi_extra=document(NewPassword, idempotent=False),
        responses=errors(408, 413),
    )
    async def password(request: Request) -> Response:
        asked = await entrance.told(request, NewPassword)
        current, new = asked.current.get_secret_value(), asked.new.get_secret_value()
        await entrance.hash(lambda: office.admin.change_password(current, new, address(request)))
        answer = Response(status_code=204)
        take_cookie(answer)
        return answer
