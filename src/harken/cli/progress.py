# SPDX-License-Identifier: Apache-2.0
"""How far a recording is, in seconds of audio, on a terminal's standard error; elsewhere nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Bar(Protocol):
    """Told how far the work is."""

    def __call__(self, done: float, total: float | None) -> None:
        """``done`` of ``total`` seconds of audio; None while nobody knows how long it is."""


@contextmanager
def bar(title: str, *, shown: bool) -> Iterator[Bar]:
    """A bar while the context lasts; gone afterwards."""
    if not (shown and sys.stderr.isatty()):
        yield lambda done, total: None  # noqa: ARG005
        return
    from rich.console import Console  # noqa: PLC0415 - takes a while to import
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[place]}"),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(compact=True),
    )
    # What is printed to the same terminal meanwhile must go above the bar.
    redirect = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=redirect) as progress:
        task = progress.add_task(title, total=None, place="", pace="")

        def tell(done: float, total: float | None) -> None:
            elapsed = progress.tasks[0].elapsed or 0.0
            place = f"{clock(done)} / {clock(total)}" if total else clock(done)
            pace = f"{done / elapsed:.0f}x" if elapsed > 0.5 else ""
            progress.update(task, completed=done, total=total, place=place, pace=pace)

        yield tell


def clock(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
