# SPDX-License-Identifier: Apache-2.0
"""Logs: lines that people read, or one JSON object a line for machines, on standard error.

Set up once by the process's entry point. Knows no settings, no server and no job; what a caller puts into ``extra``
is written beside the message, and so is what the work at hand is about.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Literal

from harken.telemetry import traces
from harken.telemetry.outages import Outages

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["text", "json"]

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""What every record has; anything else came with ``extra``."""


def configure(level: Level = "info", form: Form = "text") -> None:
    """Log to standard error, in place of whatever was set up before.

    ``level`` is harken's own; libraries are heard from ``warning`` on, or from ``info`` when ``level`` is ``debug``.
    Outages are told briefly, unless it is.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_note)
    if level != "debug":
        handler.addFilter(Outages())
    handler.setFormatter(JsonLines() if form == "json" else PlainLines())
    others = logging.INFO if level == "debug" else max(logging.WARNING, _number(level))
    logging.basicConfig(level=others, handlers=[handler], force=True)
    logging.getLogger("harken").setLevel(_number(level))
    logging.captureWarnings(capture=True)


_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Have every line that is logged inside the context, in this task or thread, say what it is about: ids, by name."""
    before = _about.set({**_about.get(), **ids})
    try:
        yield
    finally:
        _about.reset(before)


def _note(record: logging.LogRecord) -> bool:
    """Write onto a record what it is about, and part of, where it does not say so itself."""
    trace = traces.trace_id()
    if trace is not None:
        vars(record).setdefault("trace_id", trace)
    for name, value in _about.get().items():
        vars(record).setdefault(name, value)
    return True


def _number(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _OWN}


class PlainLines(logging.Formatter):
    """``2026-11-21 09:30:00 WARNING harken.worker: message key=value``, tracebacks on the lines after."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, plus its traceback."""
        extra = "".join(f" {name}={value}" for name, value in _extra(record).items())
        line = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')} {record.levelname:<7} {record.name}: "
        line += record.getMessage() + extra
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time`` (UTC), ``level``, ``logger``, ``message``, the extras, ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{stamp}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info is not None:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)
