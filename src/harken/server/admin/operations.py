# SPDX-License-Identifier: Apache-2.0
"""How the server does: health, queues, workers, usage, settings in force, the audit log."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Annotated, Any

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import APIRouter, Query

from harken.ports import Readiness
from harken.server.admin import shapes
from harken.server.admin.entrance import Entrance
from harken.server.admin.schema import errors
from harken.server.ops import READY_SECONDS


def add(routes: APIRouter, entrance: Entrance) -> None:
    """Add the routes."""
    office = entrance.office
    # A check that hangs must take one thread and no more, however often it is asked.
    checkers = CapacityLimiter(2)

    @routes.get("/overview", summary="What works, what waits, who works", responses=errors())
    async def overview() -> dict[str, Any]:
        try:
            with fail_after(READY_SECONDS):
                checks = await to_thread.run_sync(office.readiness, limiter=checkers, abandon_on_cancel=True)
        except TimeoutError:
            checks = [Readiness("checks", False, f"did not answer in {READY_SECONDS:.0f} s")]
        queues, workers = await entrance.ask(lambda: (office.oversight.queues(), office.oversight.workers()))
        now = time.time()
        return {
            "version": version("harken"),
            "time": now,
            "ready": all(check.ok for check in checks),
            "checks": [{"part": check.part, "ok": check.ok, "detail": check.detail} for check in checks],
            "queues": [shapes.queue(queue, now) for queue in queues],
            "workers": [shapes.worker(*worker) for worker in workers],
        }

    @routes.get(
        "/usage",
        summary="What accounts had done in the last days, in all and by day; deleted jobs count on",
        responses=errors(),
    )
    async def usage(days: Annotated[int, Query(ge=1, le=3660)] = 30) -> dict[str, Any]:
        def read() -> dict[str, Any]:
            names = {account.id: account.name for account in office.accounts.accounts()}
            return shapes.usage(office.oversight.used(days), names)

        return await entrance.ask(read)

    @routes.get("/settings", summary="The settings in force; secrets are not told", responses=errors())
    async def settings() -> dict[str, Any]:
        return {"settings": [shapes.setting(one) for one in office.settings]}

    @routes.get("/audit", summary="What was changed by whom, newest first", responses=errors())
    async def audit(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    ) -> dict[str, Any]:
        entries = await entrance.ask(lambda: office.admin.audited(limit, before))
        return {
            "entries": [shapes.audited(entry) for entry in entries],
            "next": entries[-1].id if len(entries) == limit else None,
        }
