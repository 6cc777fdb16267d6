# SPDX-License-Identifier: Apache-2.0
"""The page for people: a few files as they are, under a policy that runs no script but them."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).with_name("static")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Asked for again each time, and answered without a body where nothing changed.
    "Cache-Control": "no-cache",
}


class _Static(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def install(app: FastAPI, prefix: str) -> None:
    """Serve the page at ``prefix``."""
    routes = APIRouter()

    @routes.head(f"{prefix}/", include_in_schema=False)
    @routes.get(f"{prefix}/", include_in_schema=False)
    @routes.head(prefix, include_in_schema=False)
    @routes.get(prefix, include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers=HEADERS)

    app.include_router(routes)
    app.mount(f"{prefix}/static", _Static(directory=STATIC), name="admin static")
