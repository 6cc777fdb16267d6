# SPDX-License-Identifier: Apache-2.0
"""A collector of traces: takes OTLP over HTTP on a loopback port, and tells what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Attributes = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class Seen:
    """A span as it was sent."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    start: float
    end: float
    failed: bool
    attributes: Attributes
    links: tuple[str, ...]
    """Ids of spans."""
    resource: Attributes

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Collector:
    """What has come so far."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.raw = b""
        """All that was sent, for who looks for what must not be in it."""
        self.spans: list[Seen] = []
        self.refusing = False
        self.refused = threading.Event()
        self._changed = threading.Condition()

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.raw += body
            for resource in request.resource_spans:
                about = _attributes(resource.resource.attributes)
                self.spans += [_seen(span, about) for scope in resource.scope_spans for span in scope.spans]
            self._changed.notify_all()

    def wait(self, what: Callable[[list[Seen]], bool], seconds: float = 60.0) -> list[Seen]:
        """All spans, as soon as they are what is waited for."""
        with self._changed:
            assert self._changed.wait_for(lambda: what(self.spans), seconds), "\n".join(map(str, self.spans))
            return list(self.spans)

    def named(self, name: str, seconds: float = 60.0) -> Seen:
        """The one span of a name."""
        (found,) = [one for one in self.wait(lambda spans: name in {one.name for one in spans}, seconds)
                    if one.name == name]  # fmt: skip
        return found


def tree(spans: list[Seen], trace: str) -> dict[str, Seen]:
    """The spans of one trace by id. Each is there once, and of a parent that is there too, but for one root."""
    mine = [span for span in spans if span.trace == trace]
    by_id = {span.id: span for span in mine}
    assert len(by_id) == len(mine), "a span was sent twice"
    roots = [span for span in mine if span.parent not in by_id]
    assert len(roots) == 1, roots
    return by_id


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector for the length of the context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            # Before the answer, with which a sender that flushes is done.
            if collector.refusing:
                collector.refused.set()
            else:
                collector.take(body)
            self.send_response(401 if collector.refusing else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _seen(span: Span, resource: Attributes) -> Seen:
    return Seen(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        start=span.start_time_unix_nano / 1e9,
        end=span.end_time_unix_nano / 1e9,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=_attributes(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        resource=resource,
    )


def _attributes(pairs: Any) -> Attributes:
    def value(pair: KeyValue) -> Any:
        kind = pair.value.WhichOneof("value")
        assert kind is not None
        return getattr(pair.value, kind)

    return {pair.key: value(pair) for pair in pairs}
