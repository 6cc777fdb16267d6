# SPDX-License-Identifier: Apache-2.0
"""Who calls, on the database of the server: accounts, the administrator, shared limits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from harken.config import Settings
from harken.errors import MissingExtra
from harken.model import AuditEntry
from harken.models.catalog import Catalog
from harken.models.standard import model_store
from harken.ports import RateLimits
from harken.service import Accounts, Admin
from harken.store import (
    Argon2,
    SqlAccounts,
    SqlAuditLog,
    SqlCredits,
    SqlFacts,
    SqlKeys,
    SqlRateLimits,
    SqlSessions,
    SqlSlots,
    Vault,
    adopt,
    connect,
    hold_to,
    preparing,
    server_secret,
    upgrade,
)
from harken.text.providers import LOCAL


@dataclass(frozen=True, slots=True)
class Gate:
    """What a server lets callers in by."""

    accounts: Accounts
    admin: Admin
    rates: RateLimits
    slots: SqlSlots
    vault: Vault


def gate(settings: Settings, engine: sa.Engine, catalog: Catalog) -> Gate:
    """The gate of a server on a prepared database; its slots want to be closed.

    Raises InvalidOption, WrongSecret, MissingExtra, or OSError for a secret that cannot be read.
    """
    secret = _secret(settings)
    facts = SqlFacts(engine)
    hold_to(facts, secret)
    rates = _rates(settings, engine)
    return Gate(
        accounts=Accounts(
            SqlAccounts(engine),
            SqlKeys(engine),
            SqlCredits(engine),
            catalog,
            secret,
            settings.api_keys,
            texts=(*settings.llm_model, LOCAL),
            optional=settings.loopback,
        ),
        admin=Admin(SqlSessions(engine), facts, Argon2(), rates, SqlAuditLog(engine), secret),
        rates=rates,
        slots=SqlSlots(engine),
        vault=Vault(secret),
    )


@contextlib.contextmanager
def offline_gate(settings: Settings, *, start_over: bool = False) -> Iterator[Gate]:
    """The same for a process that is no server: the command line's.

    ``start_over`` takes the present secret in place of the one that the database knows.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = connect(settings.database_url or settings.database_path)
    try:
        with preparing(engine):
            upgrade(engine)
        if start_over:
            adopt(SqlFacts(engine), _secret(settings), AuditEntry("command line", "secret.adopt"))
        opened = gate(settings, engine, model_store(settings).catalog)
        yield opened
    finally:
        engine.dispose()


def _secret(settings: Settings) -> bytes:
    return server_secret(None if settings.secret is None else settings.secret.get_secret_value(), settings.data_dir)


def _rates(settings: Settings, engine: sa.Engine) -> RateLimits:
    if settings.redis_url is None:
        return SqlRateLimits(engine)
    try:
        from harken.store.redis_limits import RedisRateLimits  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtra("HARKEN_REDIS_URL needs pip install 'harken[redis]'") from None
    return RedisRateLimits(settings.redis_url)
