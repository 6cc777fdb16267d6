# SPDX-License-Identifier: Apache-2.0
"""The spans of jobs and of their stages, made from their rows when they end.

A job may begin in one process and end in another, days later, with workers that died in between: no process has its
span open. So the span's id follows from the job's, whoever does something for the job makes a part of that span, and
whoever ends the job makes the span itself. A chapter's id follows from the job's too, since a chapter that another
worker does again is the same chapter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from harken.errors import HarkenError, WorkerUnavailable
from harken.model import Job, Stage
from harken.model.jobs import own_stage
from harken.telemetry import traces


def of_job(job: Job) -> str | None:
    """What names the span of a job."""
    return traces.own(job.id, job.traceparent)


def of_stage(stage: Stage) -> str | None:
    """What names the span of a stage."""
    return traces.own(stage.id, stage.traceparent)


def of_chapter(job: Job, first: int) -> str | None:
    """What names the span of the chapter whose first window is the ``first``-th of a job."""
    return traces.own(f"{job.id} {first}", of_job(job))


def job_ended(job: Job, now: float) -> None:
    """Note a job that has ended, or that is gone ``now``, and how long it waited."""
    own = of_job(job)
    if own is None:
        return
    end = job.ended or now
    about: traces.Attributes = {
        "harken.job.id": job.id,
        "harken.job.state": job.state.value,
        "harken.lane": job.lane.value,
        "harken.account": job.owner,
        "harken.model": job.options.model,
        "harken.audio.seconds": job.duration,
        "harken.audio.bytes": job.size,
        "harken.audio.fetched": job.source is not None,
    }
    traces.note("job", job.created, end, about, parent=job.traceparent, own=own, failed=job.error_code)
    traces.note("wait", job.created, job.started or end, {"harken.lane": job.lane.value}, parent=own)


def stage_ended(stage: Stage, now: float) -> None:
    """Note a stage that has ended, and how long it waited, unless it is its job's own and never did."""
    own = of_stage(stage)
    if own is None:
        return
    end = stage.ended or now
    about: traces.Attributes = {
        "harken.job.id": stage.job_id,
        "harken.stage.id": stage.id,
        "harken.stage.state": stage.state.value,
    }
    traces.note(stage.kind.value, stage.created, end, about, parent=stage.traceparent, own=own, failed=stage.error_code)
    if stage.id != own_stage(stage.job_id, stage.kind):
        traces.note("wait", stage.created, stage.started or end, parent=own)


def link_to(job: Job) -> None:
    """Have the current request point to a job that an earlier one made."""
    if job.traceparent is None or job.traceparent != traces.current():
        traces.link(of_job(job))


def attempt(stage: Stage, job: Job) -> AbstractContextManager[traces.Span]:
    """A worker's go at a stage. One that dies in it leaves no trace of it."""
    own, of_its_job = of_stage(stage), of_job(job)
    elsewhere = own is not None and of_its_job is not None and own.split("-")[1] != of_its_job.split("-")[1]
    links = [of_its_job] if elsewhere and of_its_job is not None else []
    return traces.span("attempt", {"harken.attempt": stage.attempts}, parent=own, links=links)


@contextmanager
def chapter(job: Job, first: int, position: float) -> Iterator[dict[str, traces.Value]]:
    """A worker's go at a chapter that begins with the ``first``-th window, at ``position`` seconds.

    What is put into what it gives is told too. Where the chapter is to be done again, this was not its span: that one
    is made by whoever gets it done, and what was recognised meanwhile is part of it already.
    """
    own = of_chapter(job, first)
    about: dict[str, traces.Value] = {"harken.window.first": first, "harken.position": position}
    if own is None:
        yield about
        return
    began = time.time()
    failed: BaseException | None = None
    try:
        with traces.under(own):
            yield about
    except BaseException as error:
        failed = error
        raise
    finally:
        again = failed is not None and (not isinstance(failed, HarkenError) or isinstance(failed, WorkerUnavailable))
        why = None if failed is None else traces.reason(failed)
        traces.note("chapter", began, time.time(), about, parent=of_job(job), own=None if again else own, failed=why)
