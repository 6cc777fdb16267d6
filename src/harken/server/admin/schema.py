# SPDX-License-Identifier: Apache-2.0
"""What the routes take and what ``/openapi.json`` says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from harken.model import EVERYDAY, Scope
from harken.server.documents import ALWAYS, responses
from harken.service.accounts import MAX_NAME


class AdminProblem(BaseModel):
    """What went wrong."""

    message: str
    type: str
    code: str
    param: str | None
    request_id: str


class AdminError(BaseModel):
    """An error."""

    error: AdminProblem


_ERRORS: Mapping[int, str] = {
    **ALWAYS,
    400: "Something in the request is not valid; `error.param` names it",
    401: "Neither a session nor a key that is valid",
    403: "No CSRF token where one is needed, or a key without the scope `admin`",
    404: "There is no such thing",
    408: "The body did not come",
    409: "It cannot be done as things are",
    413: "The body is too long",
}


def errors(*also: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route: those of all, and others by their status."""
    told = {status: text for status, text in _ERRORS.items() if status in {400, 401, 403, 429, 500, 503, *also}}
    return responses({status: {"description": text, "model": AdminError} for status, text in told.items()})


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME, description="Printable characters")]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Password(_Asked):
    """A login."""

    password: SecretStr


class NewPassword(_Asked):
    """Another password."""

    current: SecretStr
    new: SecretStr


class NewToken(_Asked):
    """A key to make."""

    account: str = Field(description="Id of the account whose jobs it sees")
    name: Name
    scopes: list[Scope] = Field(default_factory=lambda: sorted(EVERYDAY))
    models: list[str] = Field(default_factory=list, description="Empty is any")
    languages: list[str] = Field(default_factory=list, description="Empty is any")
    rate: int | None = Field(None, ge=1, le=10**9, description="Requests per minute; null is the server's limit")
    concurrency: int | None = Field(None, ge=1, le=10**9, description="Requests at once; null is the server's limit")
    expires: float | None = Field(
        None, ge=0, le=1e11, allow_inf_nan=False, description="Seconds since the epoch; null is never"
    )


class ChangedToken(_Asked):
    """What to change of a key; what is left out stays."""

    name: Name = ""
    scopes: list[Scope] = Field(default_factory=list)
    models: list[str] = Field(default_factory=list)
    languages: list[str] = Field(default_factory=list)
    rate: int | None = Field(None, ge=1, le=10**9)
    concurrency: int | None = Field(None, ge=1, le=10**9)
    expires: float | None = Field(None, ge=0, le=1e11, allow_inf_nan=False)


class NewAccount(_Asked):
    """An account to make."""

    name: Name


class ChangedAccount(_Asked):
    """What to change of an account; what is left out stays."""

    name: Name | None = None
    closed: bool | None = None


class Grant(_Asked):
    """Credits to give, or, below none, to take."""

    credits: float = Field(ge=-1e9, le=1e9, allow_inf_nan=False, description="Three decimals at most")
    note: str = Field("", max_length=500)
