# SPDX-License-Identifier: Apache-2.0
"""The API and the page, put together."""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI

from harken.errors import AccountNotFound, KeyNotFound, ModelUnavailable
from harken.server.admin import accounts, jobs, login, models, operations, page, tokens
from harken.server.admin.entrance import Entrance
from harken.server.auth import Door
from harken.server.problems import Problems
from harken.service import Office

PREFIX = "/admin"
API = f"{PREFIX}/api"
LOGIN = f"{API}/login"
"""The one address of the API for those who are not in yet."""


def install(app: FastAPI, problems: Problems, office: Office, door: Door) -> None:
    """Serve the API and the page."""
    entrance = Entrance(office, door)
    # Nothing can be added below that is not behind the entrance.
    inside = APIRouter(prefix=API, tags=["admin"], dependencies=[Depends(entrance)])
    login.add(inside, entrance)
    for part in (operations, tokens, accounts, jobs, models):
        part.add(inside, entrance)
    app.include_router(login.door(entrance), prefix=API, tags=["admin"])
    app.include_router(inside)
    page.install(app, PREFIX)
    # A model that is not installed is missing from the list of this API, which is no fault of the server's.
    problems.register(PREFIX, problems.shape(PREFIX), {AccountNotFound: 404, KeyNotFound: 404, ModelUnavailable: 404})
