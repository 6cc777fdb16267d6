# SPDX-License-Identifier: Apache-2.0
"""Traces: what a piece of work was part of, when it began, how long it took and how it ended.

Off until :func:`switch_on`; until then nothing here does anything, and OpenTelemetry is not imported: it is known to
:mod:`harken.telemetry.otlp` alone. What a span is part of travels as a string, W3C's ``traceparent``, which can be
stored, and handed to other threads and machines.

What is told of a span leaves the machine: ids, numbers and names of our own, never what a client wrote or said.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Literal, Protocol

from harken.errors import HarkenError, MissingExtra

FLUSH = 2.0
"""Seconds that a process which ends gives what it has not sent yet."""

Value = str | int | float | bool | None
Attributes = Mapping[str, Value]
"""What is told of a span, by name; None tells nothing."""
Kind = Literal["internal", "server", "client"]

_NOTHING: Attributes = MappingProxyType({})
_HEADER = re.compile(r"[ \t]*([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?[ \t]*")


class Span(Protocol):
    """A piece of work that has begun."""

    @property
    def traceparent(self) -> str | None:
        """What names it as the parent of others; None when there are no traces."""

    def tell(self, attributes: Attributes, name: str | None = None) -> None:
        """Say more of it, or name it anew."""

    def link(self, traceparent: str) -> None:
        """Point to another, which need not be of the same trace."""

    def fail(self, why: str) -> None:
        """It did not end well; ``why`` is a code or the name of a type, and no message."""

    def end(self, at: float | None = None) -> None:
        """It is over, now or at a time in seconds since the epoch."""


class Recorder(Protocol):
    """Makes spans and sends them. Never raises and never waits, but in :meth:`close`."""

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
    ) -> Span:
        """A span that begins now or ``at`` a time; ``own`` is the ``traceparent`` that it shall have."""

    def samples(self, trace_id: str) -> bool:
        """Whether a trace that begins here is to be sent; the same answer in every process."""

    def close(self, timeout: float) -> None:
        """Send what there is, within so many seconds."""


_recorder: Recorder | None = None
_current: ContextVar[Span | None] = ContextVar("span", default=None)


def switch_on(part: str) -> None:
    """Send traces of this process, the ``part`` of the server that it is, to where the ``OTEL_*`` variables say.

    Raises MissingExtra without the packages for it, InvalidOption when a variable is not valid.
    """
    try:
        from harken.telemetry.otlp import OtlpRecorder  # noqa: PLC0415 - an extra, and not for those who do not trace
    except ImportError as error:
        raise MissingExtra(
            "HARKEN_TRACES needs opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http, not installed here: "
            "pip install 'harken[otel]'"
        ) from error
    begin(OtlpRecorder(part))


def begin(recorder: Recorder) -> None:
    """Have spans made by ``recorder`` from now on."""
    global _recorder  # noqa: PLW0603 - one a process, as logging has
    _recorder = recorder


def close(timeout: float = FLUSH) -> None:
    """Send what there is, within ``timeout`` seconds, and trace no more."""
    global _recorder
    recorder, _recorder = _recorder, None
    if recorder is not None:
        recorder.close(timeout)


def on() -> bool:
    """Whether anything is traced: for whoever would have to work out what to tell."""
    return _recorder is not None


def span(
    name: str,
    attributes: Attributes = _NOTHING,
    *,
    parent: str | None = None,
    own: str | None = None,
    kind: Kind = "internal",
    links: Sequence[str] = (),
) -> AbstractContextManager[Span]:
    """A span for the length of the context, in which it is the current one of this thread or task.

    It is part of ``parent``, or of the current one, though a server's is part of nothing else here. What leaves the
    context as an exception makes it fail.
    """
    if _recorder is None:
        return _OFF
    # A server's task may have been begun out of the one before it on the same connection.
    parent = parent or (None if kind == "server" else current())
    return _during(_recorder.begin(name, attributes, parent=parent, own=own, kind=kind, links=links, at=None))


def note(
    name: str,
    start: float,
    end: float,
    attributes: Attributes = _NOTHING,
    *,
    parent: str | None = None,
    own: str | None = None,
    links: Sequence[str] = (),
    failed: str | None = None,
) -> None:
    """A span that is over, from ``start`` to ``end`` in seconds since the epoch. Part of nothing without ``parent``."""
    if _recorder is None:
        return
    made = _recorder.begin(name, attributes, parent=parent, own=own, kind="internal", links=links, at=start)
    if failed is not None:
        made.fail(failed)
    made.end(max(start, end))


def current() -> str | None:
    """What names the current span, for threads, processes and machines that go on with it."""
    here = _current.get()
    return None if here is None else here.traceparent


def trace_id() -> str | None:
    """The current trace's id."""
    here = current()
    return None if here is None else here.split("-")[1]


def under(traceparent: str | None) -> AbstractContextManager[Span]:
    """Work for a span of elsewhere, or for none: it is the current one in the context, though not ours to end."""
    return _OFF if _recorder is None else _during(_Elsewhere(traceparent))


def link(traceparent: str | None) -> None:
    """Have the current span point to another."""
    here = _current.get()
    if here is not None and traceparent is not None:
        here.link(traceparent)


def own(identity: str, parent: str | None) -> str | None:
    """What names the span of something that has an id: the same in whatever process, before the span begins and after.

    It is of its parent's trace, or else of one that follows from the id too.
    """
    if _recorder is None:
        return None
    digest = hashlib.sha256(identity.encode()).hexdigest()
    if parent is None:
        trace, flags = digest[:32], "01" if _recorder.samples(digest[:32]) else "00"
    else:
        trace, flags = parent.split("-")[1], parent.split("-")[3]
    return f"00-{trace}-{digest[32:48]}-{flags}"


def accepted(header: str) -> str | None:
    """What a caller sent as ``traceparent``, in the form of version 00; None when it is none.

    By W3C's Trace Context: later versions may have more at the end, and ``ff`` is no version.
    """
    found = _HEADER.fullmatch(header)
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    return f"00-{found[2]}-{found[3]}-{found[4]}"


@contextmanager
def _during(span: Span) -> Iterator[Span]:
    token = _current.set(span)
    try:
        yield span
    except BaseException as error:
        span.fail(reason(error))
        raise
    finally:
        _current.reset(token)
        span.end()


def reason(error: BaseException) -> str:
    """What is told of an error: never its message, which may hold paths, and words of clients."""
    return error.code if isinstance(error, HarkenError) else type(error).__name__


class _Elsewhere:
    """A span that another thread, process or machine has."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str | None) -> None:
        self.traceparent = traceparent

    def tell(self, attributes: Attributes, name: str | None = None) -> None: ...

    def link(self, traceparent: str) -> None: ...

    def fail(self, why: str) -> None: ...

    def end(self, at: float | None = None) -> None: ...


class _Off(_Elsewhere):
    """What there is in place of a span, and of its context, where nothing is traced."""

    __slots__ = ()

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


_OFF = _Off(None)
