# SPDX-License-Identifier: Apache-2.0
"""What the API tells, as JSON types. Times are seconds since the epoch, credits are credits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from harken.model import Account, ApiKey, AuditEntry, CreditEntry, Job
from harken.model.credits import CREDIT
from harken.ports import Executor, Queue, Used
from harken.service import InForce
from harken.service.models import Fetch, Held, Known

_FIGURES = ("completed", "failed", "cancelled", "seconds", "credits")


def credits_of(amount: int | None) -> float | None:
    """Thousandths as credits."""
    return None if amount is None else amount / CREDIT


def token(key: ApiKey, now: float) -> dict[str, Any]:
    """A key, without what makes it one."""
    state = "revoked" if key.revoked is not None else "expired" if key.expired(now) else "active"
    return {
        "id": key.id,
        "prefix": key.prefix,
        "name": key.name,
        "account": key.account,
        "state": state,
        "scopes": sorted(key.policy.scopes),
        "models": list(key.policy.models),
        "languages": list(key.policy.languages),
        "rate": key.policy.rate,
        "concurrency": key.policy.concurrency,
        "created": key.created,
        "expires": key.expires,
        "last_used": key.last_used,
        "revoked": key.revoked,
    }


def account(one: Account, balance: int | None) -> dict[str, Any]:
    """An account; a balance of null is unlimited."""
    return {
        "id": one.id,
        "name": one.name,
        "created": one.created,
        "closed": one.closed,
        "balance": credits_of(balance),
    }


def credit_entry(entry: CreditEntry) -> dict[str, Any]:
    """An entry of the ledger."""
    return {
        "id": entry.id,
        "at": entry.created,
        "kind": entry.kind.value,
        "credits": credits_of(entry.amount),
        "job": entry.job_id,
        "work": entry.work,
        "note": entry.note,
    }


def job(one: Job) -> dict[str, Any]:
    """A job, without what was said in it."""
    failed = one.error_code is not None
    return {
        "id": one.id,
        "account": one.owner,
        "state": one.state.value,
        "stage": None if one.stage is None else one.stage.value,
        "lane": one.lane.value,
        "filename": one.filename,
        "size": one.size,
        "duration": one.duration,
        "progress": one.progress,
        "model": one.options.model,
        "created": one.created,
        "started": one.started,
        "ended": one.ended,
        "attempts": one.attempts,
        "worker": one.worker,
        "audio_kept": one.audio is not None,
        "cancel_requested": one.cancel_requested,
        "error": {"code": one.error_code, "message": one.error_message} if failed else None,
    }


def fetch(one: Fetch) -> dict[str, Any]:
    """How a fetch goes."""
    if one.ended is None:
        state = "stopping" if one.cancelled else "running"
    else:
        state = "cancelled" if one.cancelled else "done" if one.error is None else "failed"
    return {"state": state, **{name: value for name, value in asdict(one).items() if name not in ("name", "cancelled")}}


def model(known: Known, held: Iterable[Held]) -> dict[str, Any]:
    """A model, and the workers that hold it in memory."""
    spec = known.spec
    return {
        "name": spec.name,
        "aliases": list(spec.aliases),
        "family": spec.family,
        "description": spec.description,
        "licence": spec.licence,
        "multilingual": spec.multilingual,
        "default": known.default,
        "needed": known.needed,
        "recognises": known.recognises,
        "installed": known.installed is not None,
        "size": spec.size if known.installed is None else known.installed.size,
        "source": None if known.installed is None else known.installed.source,
        "fetch": None if known.fetch is None else fetch(known.fetch),
        "workers": [
            {
                "id": one.worker.id,
                "host": one.worker.host,
                "pid": one.worker.pid,
                "state": one.resident.state.value,
                "processes": one.resident.processes,
                "detail": one.resident.detail or None,
            }
            for one in held
        ],
    }


def queue(one: Queue, now: float) -> dict[str, Any]:
    """What waits and runs in a lane; ``waits`` is for how many seconds the one has waited that waits longest."""
    waits = None if one.oldest is None else max(0.0, now - one.oldest)
    return {"lane": one.lane.value, "queued": one.queued, "processing": one.processing, "waits": waits}


def worker(one: Executor, alive: bool) -> dict[str, Any]:
    """A worker; ``silence`` is in seconds. Lanes and models of null are all of them."""
    return {
        "id": one.id,
        "host": one.host,
        "pid": one.pid,
        "silence": one.silence,
        "alive": alive,
        "lanes": None if one.lanes is None else [lane.value for lane in one.lanes],
        "models": None if one.models is None else list(one.models),
    }


def setting(one: InForce) -> dict[str, Any]:
    """A setting."""
    return asdict(one)


def audited(entry: AuditEntry) -> dict[str, Any]:
    """An entry of the audit log."""
    return {
        "id": entry.id,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": dict(entry.detail),
    }


def usage(used: Iterable[Used], names: dict[str, str]) -> dict[str, Any]:
    """What accounts had done, in all and by day (of UTC)."""
    days, totals = [], dict[str, dict[str, Any]]()
    for one in used:
        figures = {name: getattr(one, name) for name in _FIGURES}
        figures["credits"] = figures["credits"] / CREDIT
        days.append({"day": _day(one.day), "account": one.account, **figures})
        total = totals.setdefault(
            one.account, {"account": one.account, "name": names.get(one.account), **dict.fromkeys(_FIGURES, 0)}
        )
        for name, value in figures.items():
            total[name] += value
    return {"accounts": sorted(totals.values(), key=lambda total: -total["seconds"]), "days": days}


def _day(number: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number):%Y-%m-%d}"
