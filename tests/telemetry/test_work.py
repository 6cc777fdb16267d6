# SPDX-License-Identifier: Apache-2.0
"""The spans of jobs and stages: one for each, whoever ends it and however, and parts of it before it is there."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from tests.collector import Collector, Seen, collecting, tree

from harken.errors import JobFailed, WorkerUnavailable
from harken.model import Job, JobState, Lane, Options, Segment, Stage, StageKind, Transcript
from harken.model.jobs import own_stage
from harken.ports import Submission
from harken.store import SqlLedger, SqlStages, SqlStore
from harken.telemetry import traces, work

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRANSCRIPT = Transcript((Segment(0.0, 1.0, " a"),), "en", 12.5, "base")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        traces.switch_on("worker")
        yield collector
        traces.close(60)


def _job(traceparent: str | None = CALLER) -> Job:
    now = time.time()
    return Job(
        str(uuid.uuid4()), "me", JobState.QUEUED, Lane.BATCH, Options(model="base"), "x.wav", now, now,
        duration=12.5, traceparent=traceparent,
    )  # fmt: skip


def _stage(job: Job, **changes: object) -> Stage:
    now = time.time()
    made = Stage(own_stage(job.id, StageKind.SUMMARISE), job.id, StageKind.SUMMARISE, JobState.PROCESSING, now, now)
    return replace(made, traceparent=work.of_job(job), **changes)  # type: ignore[arg-type]


def _sent(collector: Collector) -> dict[str, Seen]:
    """All spans, by name."""
    traces.close(60)
    assert len({span.name for span in collector.spans}) == len(collector.spans), collector.spans
    return {span.name: span for span in collector.spans}


def _complete(store: SqlStore, job: Job) -> None:
    store.start(job.id, "worker")
    store.complete(job.id, TRANSCRIPT)


def _fail(store: SqlStore, job: Job) -> None:
    store.start(job.id, "worker")
    store.fail(job.id, "not_media", "a secret")


def _cancel(store: SqlStore, job: Job) -> None:
    store.request_cancel(job.id)


def _delete(store: SqlStore, job: Job) -> None:
    store.start(job.id, "worker")
    store.delete(job.id)


@pytest.mark.parametrize(
    ("end", "state", "why", "traceparent"),
    [
        (_complete, "completed", None, CALLER),
        (_fail, "failed", "not_media", CALLER),
        (_cancel, "cancelled", None, CALLER),
        (_delete, "processing", None, CALLER),
        (_complete, "completed", None, None),
    ],
)
def test_whoever_ends_a_job_makes_its_span(
    engine: sa.Engine,
    collector: Collector,
    end: Callable[[SqlStore, Job], None],
    state: str,
    why: str | None,
    traceparent: str | None,
) -> None:
    job, _ = SqlLedger(engine).enter(Submission(_job(traceparent)), 100, lambda *_: None)
    end(SqlStore(engine), job)
    # Ends are final, and so are their spans.
    SqlStore(engine).delete(job.id)
    spans = _sent(collector)
    assert spans.keys() == {"job", "wait"}
    one = spans["job"]
    assert one.parent == ("" if traceparent is None else traceparent.split("-")[2])
    assert spans["wait"].parent == one.id
    assert (one.attributes["harken.job.state"], one.attributes.get("error.type")) == (state, why)
    assert one.start == pytest.approx(job.created, abs=1e-3)
    assert one.start <= spans["wait"].end <= one.end
    assert b"secret" not in collector.raw


def test_a_stage_that_ends_with_its_job_has_its_span(engine: sa.Engine, collector: Collector) -> None:
    store, stages = SqlStore(engine), SqlStages(engine)
    job, _ = SqlLedger(engine).enter(Submission(_job()), 100, lambda *_: None)
    store.start(job.id, "worker")
    store.save_transcript(job.id, TRANSCRIPT)
    stage = stages.open(_stage(job))
    with work.attempt(stage, job):
        pass
    store.fail(job.id, "deadline_exceeded", "late")
    spans = _sent(collector)
    assert spans.keys() == {"job", "wait", "summarise", "attempt"}
    assert spans["summarise"].parent == spans["job"].id
    assert spans["attempt"].parent == spans["summarise"].id
    assert spans["attempt"].links == ()
    assert spans["summarise"].attributes["harken.stage.state"] == "cancelled"


def test_a_chapter_that_is_to_be_done_again_is_the_one_that_got_done(collector: Collector) -> None:
    job = _job()
    with pytest.raises(WorkerUnavailable), work.chapter(job, 1, 10.0), traces.span("recognised before"):
        raise WorkerUnavailable("the worker stops")
    with work.chapter(job, 1, 10.0) as told:
        told["harken.window.count"] = 2
    with pytest.raises(JobFailed), work.chapter(job, 3, 30.0):
        raise JobFailed("a secret")
    work.job_ended(job, time.time())
    third = work.of_chapter(job, 3)
    traces.close(60)
    (begun,) = [span for span in collector.spans if span.name == "recognised before"]
    left, done, failed = sorted((span for span in collector.spans if span.name == "chapter"), key=lambda span: span.end)
    assert tree(collector.spans, CALLER.split("-")[1])[begun.parent] == done
    assert [span.attributes.get("error.type") for span in (left, done, failed)] == [
        "worker_unavailable",
        None,
        "job_failed",
    ]
    assert done.attributes == {"harken.window.first": 1, "harken.position": 10.0, "harken.window.count": 2}
    assert f"00-{failed.trace}-{failed.id}-01" == third
