# SPDX-License-Identifier: Apache-2.0
"""Jobs of everyone. What was said in them stays their owners'."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from harken.model import JobState
from harken.server.admin import shapes
from harken.server.admin.entrance import Entrance
from harken.server.admin.schema import errors
from harken.server.desk import known


def add(routes: APIRouter, entrance: Entrance) -> None:
    """Add the routes."""
    oversight = entrance.office.oversight

    @routes.get("/jobs", summary="Everybody's jobs, newest first", responses=errors())
    async def every(
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
        account: str | None = None,
        state: JobState | None = None,
    ) -> dict[str, Any]:
        page = await entrance.ask(lambda: oversight.jobs(limit, cursor, account=account, state=state))
        return {"jobs": [shapes.job(job) for job in page.jobs], "next": page.next}

    @routes.get("/jobs/{job_id}", summary="A job", responses=errors(404))
    async def one(job_id: str) -> dict[str, Any]:
        found = known(job_id)
        return shapes.job(await entrance.ask(lambda: oversight.job(found)))

    @routes.post("/jobs/{job_id}/cancel", summary="Cancel a job", responses=errors(404, 409))
    async def cancel(request: Request, job_id: str) -> dict[str, Any]:
        found = known(job_id)
        return shapes.job(await entrance.ask(lambda: oversight.cancel(found, request.state.actor)))

    @routes.delete(
        "/jobs/{job_id}",
        status_code=204,
        summary="Remove a job, its recording and its text; a running one is cancelled first",
        responses=errors(404),
    )
    async def delete(request: Request, job_id: str) -> Response:
        found = known(job_id)
        await entrance.ask(lambda: oversight.delete(found, request.state.actor))
        return Response(status_code=204)
