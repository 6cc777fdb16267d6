# SPDX-License-Identifier: Apache-2.0
"""Spans, as a collector is sent them over OTLP."""

from __future__ import annotations

import ast
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.collector import Collector, collecting, tree

import harken
from harken.errors import InvalidOption, JobFailed, MissingExtra
from harken.telemetry import traces
from harken.telemetry.logs import JsonLines, configure

CANNOT = "traces cannot be sent, and are dropped until they can: "
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> Iterator[None]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
    yield
    traces.close(60)


@pytest.fixture
def on(variables: None) -> None:
    traces.switch_on("test")


def test_a_span_is_part_of_the_one_it_began_in(on: None, collector: Collector) -> None:
    before = time.time()
    with traces.span("outer", {"a": 1, "b": None}, kind="server") as outer, traces.span("inner"):
        outer.tell({"c": "d"}, name="renamed")
    assert traces.current() is None
    traces.close(60)
    spans = {span.name: span for span in collector.spans}
    assert spans.keys() == {"renamed", "inner"}
    assert spans["inner"].parent == spans["renamed"].id
    assert spans["renamed"].parent == ""
    assert spans["renamed"].attributes == {"a": 1, "c": "d"}
    assert before <= spans["renamed"].start <= spans["inner"].start <= spans["inner"].end <= spans["renamed"].end
    assert not any(span.failed for span in collector.spans)


def test_a_resource_says_what_the_process_is(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (None, "ours"):
        if name is not None:
            monkeypatch.setenv("OTEL_SERVICE_NAME", name)
        traces.switch_on("worker")
        with traces.span(name or "by default"):
            pass
        traces.close(60)
    first, second = (collector.named(name).resource for name in ("by default", "ours"))
    assert (first["service.name"], second["service.name"]) == ("harken-worker", "ours")
    assert first["harken.part"] == second["harken.part"] == "worker"
    assert first["service.instance.id"]


def test_of_an_error_its_code_is_told_and_not_its_words(on: None, collector: Collector) -> None:
    for error in (JobFailed("a secret"), ValueError("a secret")):
        with pytest.raises(type(error)), traces.span(type(error).__name__):
            raise error
    traces.close(60)
    assert {(span.failed, span.attributes["error.type"]) for span in collector.spans} == {
        (True, "job_failed"),
        (True, "ValueError"),
    }
    assert b"a secret" not in collector.raw


def test_other_threads_go_on_with_a_span(on: None, collector: Collector) -> None:
    with traces.span("here"):
        here = traces.current()

    def there() -> None:
        with traces.under(here):
            traces.note("there", 1.0, 2.0, parent=traces.current())
            with traces.span("and here"):
                pass

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    traces.close(60)
    by_id = tree(collector.spans, collector.spans[0].trace)
    assert {span.name: by_id[span.parent].name for span in by_id.values() if span.parent} == {
        "there": "here",
        "and here": "here",
    }
    assert (collector.named("there").start, collector.named("there").end) == (1.0, 2.0)


@pytest.mark.parametrize("caller", [CALLER, None])
def test_what_has_an_id_has_its_span_before_it_is_made(on: None, collector: Collector, caller: str | None) -> None:
    own = traces.own("job 7", caller)
    assert own == traces.own("job 7", caller) != traces.own("job 8", caller)
    with traces.span("part", parent=own):
        pass
    traces.note("whole", 1.0, 3.0, parent=caller, own=own, links=[CALLER])
    traces.close(60)
    part, whole = collector.named("part"), collector.named("whole")
    assert part.parent == whole.id
    assert part.trace == whole.trace
    assert whole.parent == ("" if caller is None else CALLER.split("-")[2])
    assert whole.links == (CALLER.split("-")[2],)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (CALLER, CALLER),
        (f" {CALLER}\t", CALLER),
        ("cc" + CALLER[2:] + "-what-will-be", CALLER),
        (CALLER + "-more", None),
        ("ff" + CALLER[2:], None),
        (CALLER.upper(), None),
        (CALLER[:-1], None),
        (CALLER.replace("0af7651916cd43dd8448eb211c80319c", 32 * "0"), None),
        (CALLER.replace("b7ad6b7169203331", 16 * "0"), None),
        ("", None),
    ],
)
def test_what_a_caller_may_say_is_by_the_standard(header: str, taken: str | None) -> None:
    assert traces.accepted(header) == taken


def test_whether_it_is_sent_the_caller_says_or_the_sampler(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    traces.switch_on("test")
    with traces.span("not wanted"), traces.span("nor this"):
        left = traces.current()
    assert left is not None
    assert not int(left[-2:], 16) & 1
    own = traces.own("job", None)
    assert own is not None
    assert own.endswith("-00")
    traces.note("a job that nobody wanted traced", 1.0, 2.0, own=own)
    with traces.span("unwanted by the caller", parent=CALLER[:-2] + "00"):
        pass
    with traces.span("wanted by the caller", parent=CALLER):
        assert traces.own("job", traces.current()) is not None
    traces.close(60)
    assert [span.name for span in collector.spans] == ["wanted by the caller"]


def test_off_there_is_nothing() -> None:
    assert not traces.on()
    with traces.span("a") as span, traces.under(CALLER):
        span.tell({"a": 1})
        traces.link(CALLER)
        assert (traces.current(), traces.trace_id(), traces.own("job", CALLER)) == (None, None, None)
    assert traces.span("b") is traces.span("c")
    traces.note("d", 1.0, 2.0)
    traces.close(60)


def test_logs_have_the_trace(on: None, caplog: pytest.LogCaptureFixture) -> None:
    configure("info", "json")
    handler = logging.getLogger().handlers[0]
    record = logging.makeLogRecord({"msg": "m"})
    with traces.under(CALLER):
        handler.filter(record)
    assert json.loads(JsonLines().format(record))["trace_id"] == CALLER.split("-")[1]
    record = logging.makeLogRecord({"msg": "m"})
    handler.filter(record)
    assert "trace_id" not in json.loads(JsonLines().format(record))


def test_where_nobody_takes_them_they_are_dropped_with_few_words(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/v1/traces?api-key=secret"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1.5")
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
        caplog.set_level(logging.INFO)
        traces.switch_on("test")
        said: list[logging.LogRecord] = []
        end = time.monotonic() + 60
        while not said and time.monotonic() < end:
            with traces.span("lost"):
                time.sleep(0.001)
            said = [one for one in caplog.records if CANNOT in one.getMessage()]
        traces.close(60)
    messages = [record.getMessage() for record in caplog.records if record.name != "urllib3.connectionpool"]
    assert messages[0].startswith(CANNOT)
    assert "refused" in messages[0]
    assert "secret" not in "".join(messages)
    assert len(messages) <= 2


@pytest.fixture(autouse=True)
def no_sender_left() -> Iterator[None]:
    """What a test leaves behind would go on beside the next ones, and draw random numbers while hypothesis does."""
    yield
    end = time.monotonic() + 60
    while left := [one.name for one in threading.enumerate() if one.name.startswith(("traces-close", "Otel"))]:
        assert time.monotonic() < end, left
        time.sleep(0.01)


def test_a_collector_that_hangs_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
        traces.switch_on("test")
        with traces.span("unheard"):
            pass
        traces.close(0.1)
    assert "the last traces were not sent" in caplog.text


def test_it_is_told_when_they_are_sent_again(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "harken")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    collector.refusing = True
    traces.switch_on("test")
    with traces.span("refused"):
        pass
    collector.refused.wait(60)
    collector.refusing = False
    with traces.span("taken"):
        pass
    collector.named("taken")
    end = time.monotonic() + 60
    while len(caplog.records) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert [record.getMessage() for record in caplog.records] == [
        f"{CANNOT}Failed to export spans batch code: 401, reason: Unauthorized",
        "traces are sent again; 1 spans were lost",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many"),
    ],
)
def test_variables_that_are_not_valid_are_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidOption, match=r"OTEL_|max_queue_size"):
        traces.switch_on("test")
    assert not traces.on()


def test_without_the_packages_it_is_told_how_to_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "harken.telemetry.otlp", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'harken\[otel\]'"):
        traces.switch_on("test")


def test_one_module_knows_opentelemetry() -> None:
    root = Path(harken.__file__).parent
    knows = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else []
        )
        if name.split(".")[0] == "opentelemetry"
    }
    assert knows == {"telemetry/otlp.py"}


def test_a_worker_that_does_not_trace_has_nothing_of_it() -> None:
    program = "import sys, harken.wiring.worker; print(*(name for name in sys.modules if 'opentelemetry' in name))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
