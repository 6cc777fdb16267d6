# SPDX-License-Identifier: Apache-2.0
"""What the speed comparison found, as tables for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table as RichTable

from harken.bench.report import machine
from harken.bench.speed import BATCHED, SEQUENTIAL, Row, Table
from harken.bench.targets import Target


def speed_table(table: Table) -> RichTable:
    """Medians and ratios of one scenario. RTFx is seconds of audio per second of wall clock."""
    shown = RichTable(title=f"{table.scenario} ({table.seconds:.0f} s of audio)")
    shown.add_column("engine")
    for column in ("wall s", "RTFx", "CPU s", "CPU ms / audio s", "first text s", "WER %"):
        shown.add_column(column, justify="right")
    others = [row.engine for row in table.rows if row.engine in {SEQUENTIAL, BATCHED}]
    for other in others:
        shown.add_column(f"x {other}", justify="right")
    for row in table.rows:
        shown.add_row(
            row.engine,
            f"{row.wall:.2f}",
            f"{table.seconds / row.wall:.1f}",
            f"{row.cpu:.2f}",
            f"{1000 * row.cpu / table.seconds:.0f}",
            "" if row.first is None else f"{row.first:.2f}",
            _wer(row),
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


def _wer(row: Row) -> str:
    return "" if row.score is None else f"{row.score.wer:.2f} ({row.score.errors}/{row.score.words})"
