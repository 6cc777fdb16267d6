# SPDX-License-Identifier: Apache-2.0
"""Spans of what children do. Their parent makes them, of what it knows: a child need not have what traces take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from harken.telemetry import traces
from harken.worker.protocol import Planned, StoredWindow


@contextmanager
def recognising(windows: Sequence[tuple[int, StoredWindow, str | None]], model: str, pid: int) -> Iterator[None]:
    """Note the windows of a batch, when the context ends: index, window, and what each is part of.

    All of them take as long as the batch does; those in it that are parts of something else are pointed to.
    """
    began = time.time()
    failed: str | None = None
    try:
        yield
    except BaseException as error:
        failed = traces.reason(error)
        raise
    finally:
        if traces.on():
            _note(windows, {"harken.model": model, "harken.child.pid": pid}, began, failed)


def _note(
    windows: Sequence[tuple[int, StoredWindow, str | None]], child: traces.Attributes, began: float, failed: str | None
) -> None:
    now = time.time()
    lengths = [stored.window.end - stored.window.start for _, stored, _ in windows]
    batch: traces.Attributes = {
        "harken.batch.size": len(windows),
        "harken.batch.seconds": sum(lengths),
        "harken.rtf": (now - began) / max(sum(lengths), 1e-3),
        **child,
    }
    parents = {parent for _, _, parent in windows if parent is not None}
    for (index, stored, parent), seconds in zip(windows, lengths, strict=True):
        about: traces.Attributes = {
            "harken.window.index": index,
            "harken.window.start": stored.window.start,
            "harken.window.seconds": seconds,
            **batch,
        }
        traces.note("window", began, now, about, parent=parent, links=sorted(parents - {parent}), failed=failed)


def note_plan(future: Future[Planned], parent: str | None) -> None:
    """Note, when it is there, the plan of a chapter that was just asked for."""
    if not traces.on():
        return
    asked = time.time()

    def done(future: Future[Planned]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            traces.note("plan", asked, time.time(), parent=parent, failed=traces.reason(error))
            return
        planned = future.result()
        about = {"harken.window.count": len(planned.windows), "harken.position": planned.position}
        traces.note("plan", asked, time.time(), about, parent=parent)

    future.add_done_callback(done)
