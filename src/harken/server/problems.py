# SPDX-License-Identifier: Apache-2.0
"""Errors as HTTP: one table from :mod:`harken.errors` to status codes, and one place where error answers are made.

What the body looks like is the dialect's: each registers the path prefixes it owns, a function that draws its shape,
and the statuses that it has of its own.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Match, Route

from harken import errors

log = logging.getLogger(__name__)

STATUS: Mapping[type[errors.HarkenError], int] = {
    errors.HarkenError: 500,
    errors.InvalidRequest: 400,
    errors.MediaError: 415,
    errors.UploadTooLarge: 413,
    errors.AudioTooLong: 413,
    errors.LimitExceeded: 429,
    errors.UploadStalled: 408,
    errors.DiskFull: 507,
    errors.Unauthenticated: 401,
    errors.AccessError: 403,
    errors.NotEnoughCredits: 402,
    errors.AccountError: 404,
    errors.ModelError: 503,
    errors.ModelInUse: 409,
    errors.JobError: 409,
    errors.JobNotFound: 404,
    errors.JobFailed: 500,
    errors.DeadlineExceeded: 504,
    errors.IdempotencyConflict: 422,
    errors.AudioGone: 410,
    errors.VoiceError: 409,
    errors.VoiceNotFound: 404,
    errors.WorkerError: 500,
    errors.WorkerUnavailable: 503,
    errors.TextError: 502,
    errors.TextUnavailable: 503,
    errors.TextBusy: 503,
    errors.TextTooLong: 400,
    errors.TextRefused: 422,
    errors.FetchError: 400,
    errors.StoreUnavailable: 503,
    errors.StorageUnavailable: 503,
    errors.MissingExtra: 501,
}
"""The status of each error; a class that is not here has its nearest base's."""

RETRY_AFTER = 5
"""Seconds told to clients on 429 and 503 when the error itself does not know better."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error on its way to the client."""

    status: int
    code: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Shape = Callable[[Problem, str], dict[str, Any]]
"""Draws a problem, with the id of its request, as a dialect's JSON body."""

Statuses = Mapping[type[errors.HarkenError], int]
"""Statuses that a dialect has of its own, by class of error; its subclasses have them too."""

_NO_STATUSES: Statuses = MappingProxyType({})


def status_of(error: errors.HarkenError, own: Statuses = _NO_STATUSES) -> int:
    """The status code of an error; ``own`` are those of the dialect that tells it."""
    for kind in type(error).__mro__:
        if kind in own:
            return own[kind]
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def detail_shape(problem: Problem, request_id: str) -> dict[str, Any]:  # noqa: ARG001  it is a Shape
    """An error as the audio and suite dialects tell it."""
    return {"detail": problem.message}


def problem_of(error: Exception, own: Statuses = _NO_STATUSES) -> Problem:
    """Any exception as a problem; what nobody foresaw is a 500 that tells the client nothing of our inside."""
    match error:
        case errors.HarkenError():
            return _of_harken(error, status_of(error, own))
        case RequestValidationError():
            return _of_validation(error)
        case HTTPException():
            return _of_router(error)
    return Problem(500, "internal_error", "something went wrong on the server; its log has the details by request id")


def _of_harken(error: errors.HarkenError, status: int) -> Problem:
    headers: dict[str, str] = {}
    if status in (429, 503):
        headers["Retry-After"] = str(max(1, math.ceil(getattr(error, "retry_after", None) or RETRY_AFTER)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Problem(status, error.code, error.message, error.param, headers)


def _of_validation(error: RequestValidationError) -> Problem:
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return Problem(400, errors.InvalidOption.code, f"{name}: {first['msg']}", name)


def _of_router(error: HTTPException) -> Problem:
    phrase = HTTPStatus(error.status_code).phrase
    message = {404: "there is nothing at this address", 405: "this address does not take that method"}.get(
        error.status_code, str(error.detail)
    )
    return Problem(error.status_code, phrase.lower().replace(" ", "_"), message, headers=dict(error.headers or {}))


def _allowed(app: FastAPI, request: Request) -> list[str]:
    """Every method of an address; the router's own 405 tells those of one of its routes only.

    An address that has a route of its own has the methods of that one, not those of a pattern that it fits as well.
    """
    found = {
        method: [route for route in app.router.routes if _takes(route, request, method)]
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    }
    own = {method for method, those in found.items() if any(_is_plain(route) for route in those)}
    return [method for method, those in found.items() if (method in own if own else those)]


def _takes(route: BaseRoute, request: Request, method: str) -> bool:
    return route.matches({**request.scope, "method": method})[0] is Match.FULL


def _is_plain(route: BaseRoute) -> bool:
    return isinstance(route, Route) and not route.param_convertors


def note(error: Exception, problem: Problem, path: str, request_id: str, **ids: str) -> None:
    """Log a failure of our own, with the request's id and other ``ids``."""
    if problem.status >= 500:
        known = isinstance(error, errors.HarkenError)
        said = str(error) if error.__cause__ is None else f"{error} ({error.__cause__})"
        log.error(
            "%s answered %d %s: %s [request %s]",
            path,
            problem.status,
            problem.code,
            said,
            request_id,
            exc_info=None if known else error,
            extra=ids,
        )


@dataclass(frozen=True, slots=True)
class _Owner:
    """How a dialect tells errors."""

    shape: Shape
    statuses: Statuses
    message: Shape | None = None


class Problems:
    """Makes error answers, in the shape of the dialect that owns the path."""

    def __init__(self, default: Shape) -> None:
        self._default = _Owner(default, _NO_STATUSES)
        self._owners: dict[str, _Owner] = {}

    def register(
        self, prefix: str, shape: Shape, statuses: Statuses = _NO_STATUSES, message: Shape | None = None
    ) -> None:
        """Errors on paths under ``prefix`` are drawn by ``shape``, with ``statuses`` before ours; the longest wins.

        ``message`` draws the last message of a web socket under it, where there are any.
        """
        self._owners[prefix] = _Owner(shape, statuses, message)

    def shape(self, path: str) -> Shape:
        """Who draws the errors of a path."""
        return self._owner(path).shape

    def of(self, error: Exception, path: str) -> Problem:
        """An error as the dialect that owns a path has it."""
        return problem_of(error, self._owner(path).statuses)

    def message(self, error: Exception, path: str, request_id: str) -> tuple[Problem, dict[str, Any]]:
        """An error and the last message of a web socket that tells it; logged as by :meth:`answer`."""
        owner = self._owner(path)
        problem = self.of(error, path)
        note(error, problem, path, request_id)
        return problem, (owner.message or owner.shape)(problem, request_id)

    def _owner(self, path: str) -> _Owner:
        owners = [prefix for prefix in self._owners if path == prefix or path.startswith(prefix + "/")]
        return self._owners[max(owners, key=len)] if owners else self._default

    def answer(self, error: Exception, path: str, request_id: str) -> JSONResponse:
        """The response to an error; failures of our own are logged with the request's id."""
        problem = self.of(error, path)
        note(error, problem, path, request_id)
        return JSONResponse(
            self.shape(path)(problem, request_id), status_code=problem.status, headers=dict(problem.headers)
        )

    def install(self, app: FastAPI) -> None:
        """Answer every error that the routes raise. What they do not know, the middleware catches."""

        async def handle(request: HTTPConnection, error: Exception) -> JSONResponse:
            if not isinstance(request, Request):
                raise error  # a web socket has no answer: the last catch tells it as a message
            answer = self.answer(error, request.url.path, request.state.request_id)
            if answer.status_code == 405:
                answer.headers["Allow"] = ", ".join(_allowed(app, request))
            return answer

        for kind in (errors.HarkenError, HTTPException, RequestValidationError):
            app.add_exception_handler(kind, handle)
