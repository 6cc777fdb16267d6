# SPDX-License-Identifier: Apache-2.0
"""What the speed comparison found, as tables for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table as RichTable

from harken.bench.report import machine
from harken.bench.speed import BATCHED, SEQUENTIAL, Table
from harken.bench.targets import Target


def speed_table(table: Table) -> RichTable:
    """Medians and ratios of one scenario.

    RTFx is seconds of audio per second of wall clock; CPU ms/s is milliseconds of processor per second of audio; the
    last columns say how many times faster than the sequential and the batched baseline, by the wall clock.
    """
    title = f"{table.scenario} ({table.seconds:.0f} s of audio)"
    shown = RichTable(title=title, box=box.SIMPLE_HEAD, padding=0)
    shown.add_column("engine", no_wrap=True)
    for column in ("wall s", "RTFx", "CPU ms/s", "first s", "WER %"):
        shown.add_column(column, justify="right", no_wrap=True)
    others = [row.engine for row in table.rows if row.engine in {SEQUENTIAL, BATCHED}]
    for other in others:
        shown.add_column("x seq" if other == SEQUENTIAL else "x bat", justify="right", no_wrap=True)
    for row in table.rows:
        shown.add_row(
            row.engine,
            f"{row.wall:.2f}",
            f"{table.seconds / row.wall:.1f}",
            f"{1000 * row.cpu / table.seconds:.0f}",
            "" if row.first is None else f"{row.first:.2f}",
            "" if row.score is None else f"{row.score.wer:.2f}",
            *(f"{table.ratio(row.engine, other):.2f}" for other in others),
        )
    return shown


def speed_json(tables: Sequence[Table], found: Sequence[Target], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything."""
    return {
        "machine": machine(),
        "settings": settings,
        "scenarios": [asdict(table) for table in tables],
        "targets": [asdict(target) for target in found],
    }
