# SPDX-License-Identifier: Apache-2.0
"""What an administrator works with, over the database and the models folder of a server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa
from pydantic import SecretStr

from harken.config import Settings
from harken.models.store import ModelStore
from harken.service import InForce, Models, Office, Oversight, Service
from harken.store import SqlOverview, SqlResidents, SqlRoster
from harken.wiring.accounts import Gate


def office(settings: Settings, engine: sa.Engine, service: Service, gate: Gate, weights: ModelStore) -> Office:
    """The office of a server on a prepared database."""
    oversight = Oversight(SqlOverview(engine), SqlRoster(engine), service, gate.admin, settings.dead_after)
    return Office(
        admin=gate.admin,
        accounts=gate.accounts,
        oversight=oversight,
        models=Models(weights, gate.admin, SqlResidents(engine), oversight.workers),
        readiness=service.readiness,
        settings=in_force(settings),
    )


def in_force(settings: Settings) -> tuple[InForce, ...]:
    """Every setting, without the secrets in them."""
    defaults = {name: field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()}
    return tuple(
        InForce(
            name=f"HARKEN_{name.upper()}",
            value=_told(name, getattr(settings, name)),
            changed=getattr(settings, name) != defaults[name],
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )


def _told(name: str, value: Any) -> str | None:
    if value is None or value in ((), {}):
        return None
    if name == "api_keys":
        return f"{len(value)} set"
    if isinstance(value, SecretStr):
        return "set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, str) and "://" in value:
        return _without_secrets(value)
    return str(value)


def _without_secrets(url: str) -> str:
    """A URL without the user, password and query that it may have."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
