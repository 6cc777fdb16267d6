# SPDX-License-Identifier: Apache-2.0
"""Who may administer: a browser with a session's cookie, or a program with a key that has the scope ``admin``.

A browser sends its cookie whoever asks it to. So a request that changes something must carry the session's CSRF token
too, which only our own page can read, and must not come from another site's page by the browser's own word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from pydantic import BaseModel

from harken.errors import Forbidden, Unauthenticated
from harken.model import Scope
from harken.server import bodies
from harken.server.auth import Door, bearer
from harken.service import Office, policy
from harken.service.admin import ACTOR, LASTING, Login

T = TypeVar("T")
Body = TypeVar("Body", bound=BaseModel)

COOKIE = "harken_admin"
CSRF = "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


class Entrance:
    """The way to an office. Used from one event loop; what asks the database does so in threads of its own."""

    def __init__(self, office: Office, door: Door) -> None:
        self.office = office
        self._door = door
        self._threads = CapacityLimiter(8)
        # Hashing a password takes a third of a second: whoever guesses must not hold up whoever is in.
        self._hashing = CapacityLimiter(2)

    async def __call__(self, request: Request) -> None:
        """Let a request in and note who it is; every route of the API but the login depends on it.

        Raises Unauthenticated, Forbidden, TooManyRequests.
        """
        keep_to_oneself(request)
        if "authorization" in request.headers:
            request.state.actor = await self._keyed(request)
            return
        token = request.cookies.get(COOKIE)
        await self.ask(lambda: self.office.admin.session(token))
        if request.method not in SAFE:
            check_site(request)
            self.office.admin.check_csrf(token or "", request.headers.get(CSRF))
        request.state.actor = ACTOR

    async def ask(self, question: Callable[[], T]) -> T:
        """Ask the office."""
        return await to_thread.run_sync(question, limiter=self._threads)

    async def hash(self, question: Callable[[], T]) -> T:
        """Ask what takes the hash of a password."""
        return await to_thread.run_sync(question, limiter=self._hashing)

    async def told(self, request: Request, kind: type[Body]) -> Body:
        """The JSON body of a request, read after it was let in. Raises InvalidRequest, UploadTooLarge."""
        body = await bodies.whole(request, bodies.MOST)
        return await self.ask(lambda: bodies.document(body, kind))

    async def _keyed(self, request: Request) -> str:
        key = bearer(request.headers["authorization"])
        if key is None:
            raise Unauthenticated("send 'Authorization: Bearer KEY' with a key that has the scope 'admin', or log in")
        await self._door.count(await self._door.caller(key, address=address(request)))
        # The door trusts a key for a second; who administers is not trusted for as long.
        caller = await self.ask(lambda: self.office.accounts.caller(key))
        policy.require(caller, Scope.ADMIN)
        return caller.subject


def check_site(request: Request) -> None:
    """Raise Forbidden for what a browser sends on behalf of another site's page."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("the browser says that another site's page sent this request", param="csrf")


def keep_to_oneself(request: Request) -> None:
    """Have the answer, error or not, kept by no cache."""
    request.state.headers["Cache-Control"] = "no-store"


def give_cookie(request: Request, response: Response, login: Login) -> None:
    """Have the browser keep a session. Behind TLS, also a trusted proxy's, it is never sent in the clear."""
    response.set_cookie(
        COOKIE,
        login.token,
        max_age=int(LASTING),
        path="/admin",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def take_cookie(response: Response) -> None:
    """Have the browser forget the session."""
    response.delete_cookie(COOKIE, path="/admin", httponly=True, samesite="lax")


def address(request: Request) -> str:
    """Where a request comes from; what a trusted proxy says of that is in it already."""
    return "" if request.client is None else request.client.host
