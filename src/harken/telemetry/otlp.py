# SPDX-License-Identifier: Apache-2.0
"""Spans as OpenTelemetry has them, sent as OTLP over HTTP. The one module that imports OpenTelemetry.

A thread sends them in batches, out of a queue that drops the oldest when it is full: whoever makes a span never waits
for the network. Where they go, how many are sent, and what the service is called, the standard ``OTEL_*`` variables
say. Nothing is set up globally, so that no library begins to trace on its own account.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from harken.errors import InvalidOption
from harken.telemetry.traces import Attributes, Kind

log = logging.getLogger(__name__)

_KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_CHATTER = (_EXPORTER, "opentelemetry.sdk._shared_internal")
"""Loggers that say the same of every batch that cannot be sent, several times."""


class OtlpRecorder:
    """The :class:`~harken.telemetry.traces.Recorder` of a process."""

    def __init__(self, part: str) -> None:
        """Begin to send what is recorded. Raises InvalidOption when a variable is not valid."""
        if os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", _protocol()) != "http/protobuf":
            raise InvalidOption(
                "traces are sent as http/protobuf, usually to port 4318; OTEL_EXPORTER_OTLP_PROTOCOL asks for "
                "something else"
            )
        self._ids = _Ids()
        try:
            self._outlet = _Outlet(OTLPSpanExporter())
            self._provider = TracerProvider(resource=_resource(part), id_generator=self._ids, shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(self._outlet))
        except ValueError as error:
            raise InvalidOption(f"traces cannot be sent as the OTEL_* variables say: {error}") from error
        self._tracer = self._provider.get_tracer("harken", version("harken"))

    def begin(
        self,
        name: str,
        attributes: Attributes,
        *,
        parent: str | None,
        own: str | None,
        kind: Kind,
        links: Sequence[str],
        at: float | None,
    ) -> _Span:
        """See :class:`~harken.telemetry.traces.Recorder`."""
        # Never OpenTelemetry's own current context: what a library puts there is not ours.
        around = Context() if parent is None else set_span_in_context(NonRecordingSpan(_context(parent)), Context())
        with self._ids.given(own):
            return _Span(
                self._tracer.start_span(
                    name,
                    around,
                    _KINDS[kind],
                    _told(attributes),
                    [Link(_context(one)) for one in links],
                    None if at is None else _nanoseconds(at),
                )
            )

    def samples(self, trace_id: str) -> bool:
        """See :class:`~harken.telemetry.traces.Recorder`."""
        result = self._provider.sampler.should_sample(Context(), int(trace_id, 16), "")
        return result.decision is Decision.RECORD_AND_SAMPLE

    def close(self, timeout: float) -> None:
        """See :class:`~harken.telemetry.traces.Recorder`."""
        # The provider would wait for half a minute where nobody takes the spans.
        last = threading.Thread(target=self._provider.shutdown, name="traces-close", daemon=True)
        last.start()
        last.join(0.0 if self._outlet.blocked else timeout)
        if last.is_alive():
            log.warning("the last traces were not sent")


class _Span:
    """A span of OpenTelemetry's as :class:`~harken.telemetry.traces.Span`."""

    __slots__ = ("_span",)

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        context = self._span.get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def tell(self, attributes: Attributes, name: str | None = None) -> None:
        self._span.set_attributes(_told(attributes))
        if name is not None:
            self._span.update_name(name)

    def link(self, traceparent: str) -> None:
        self._span.add_link(_context(traceparent))

    def fail(self, why: str) -> None:
        self._span.set_attribute("error.type", why)
        self._span.set_status(StatusCode.ERROR)

    def end(self, at: float | None = None) -> None:
        self._span.end(None if at is None else _nanoseconds(at))


class _Ids(RandomIdGenerator):
    """Random ids, but where they are given."""

    def __init__(self) -> None:
        self._given = threading.local()

    @contextlib.contextmanager
    def given(self, traceparent: str | None) -> Iterator[None]:
        """In this thread, have the span that begins in the context be this one."""
        self._given.context = None if traceparent is None else _context(traceparent)
        try:
            yield
        finally:
            self._given.context = None

    def generate_span_id(self) -> int:
        """The id of a span that begins."""
        given: SpanContext | None = getattr(self._given, "context", None)
        return super().generate_span_id() if given is None else given.span_id

    def generate_trace_id(self) -> int:
        """The id of a trace that begins with it."""
        given: SpanContext | None = getattr(self._given, "context", None)
        return super().generate_trace_id() if given is None else given.trace_id


class _Outlet(SpanExporter):
    """Says once that spans cannot be sent, and once that they can be again, where the exporter says it all the time."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        for name in _CHATTER:
            logging.getLogger(name).addFilter(_words)

    @property
    def blocked(self) -> bool:
        """Whether the last that was tried could not be sent."""
        return self._lost > 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them; tries again for some seconds."""
        _words.said = ""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                log.info("traces are sent again; %d spans were lost", self._lost)
            self._lost = 0
        else:
            if not self._lost:
                log.warning("traces cannot be sent, and are dropped until they can: %s", _words.said)
            self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _FirstWords(logging.Filter):
    """Keeps what the exporter said first of a batch, which has the reason, and has nothing of it logged."""

    said = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is logged."""
        if not self.said and record.name == _EXPORTER:
            # Of the address all but the query, which can have a key.
            self.said = re.sub(r"\?\S*", "", record.getMessage())
        return False


_words = _FirstWords()


def _resource(part: str) -> Resource:
    """What this process is; the variables say it before us."""
    told = Resource.create({"harken.part": part, "service.version": version("harken"), "process.pid": os.getpid()})
    if str(told.attributes["service.name"]).startswith("unknown_service"):
        told = told.merge(Resource({"service.name": f"harken-{part}"}))
    return told


def _protocol() -> str:
    return os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"


def _context(traceparent: str) -> SpanContext:
    _, trace, span, flags = traceparent.split("-")
    return SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _told(attributes: Attributes) -> dict[str, str | int | float | bool]:
    return {name: value for name, value in attributes.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
