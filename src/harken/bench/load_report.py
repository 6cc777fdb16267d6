# SPDX-License-Identifier: Apache-2.0
"""``harken bench load``: measures, prints, and writes what was found.

Knows no arguments and no settings: those are read in :mod:`harken.cli.bench`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from harken.bench import material
from harken.bench.corpus import read_corpus
from harken.bench.engines import build
from harken.bench.load import Extent, Recordings, measure_load, measure_turns
from harken.bench.load_figures import Load, Spread, growth, targets
from harken.bench.report import machine
from harken.bench.targets import target_lines
from harken.models.store import ModelStore


def load(
    store: ModelStore,
    console: Console,
    *,
    corpus: Path | None = None,
    workers: Sequence[int] = (1, 2, 4),
    extent: Extent | None = None,
    json_file: Path | None = None,
) -> None:
    """Mixed traffic with so many workers, one number after the other; what was not reached is printed, not raised."""
    extent = extent or Extent()
    cores = os.cpu_count() or 1
    if corpus is None:
        speech = material.built_in_speech(store)
    else:
        speech = material.read(material.of_corpus(read_corpus(corpus))[0].path)

    def tell(line: str) -> None:
        console.print(line, style="dim")

    with tempfile.TemporaryDirectory(prefix="harken-bench-") as folder:
        recordings = Recordings.made_of(speech, Path(folder), extent, build("harken", store, "base"))
        loads = [measure_load(recordings, n, extent, progress=tell) for n in workers]
        turns = measure_turns(recordings, min(cores, *workers), extent, progress=tell)
    wanted = targets(loads, turns, cores)
    console.print(clip_table(loads), throughput_table(loads), target_lines(wanted))
    if json_file is not None:
        found = {
            "machine": machine(),
            "settings": {"extent": asdict(extent), "database": "sqlite"},
            "loads": [asdict(item) for item in loads],
            "turns": asdict(turns),
            "targets": [asdict(target) for target in wanted],
        }
        json_file.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def clip_table(loads: Sequence[Load]) -> Table:
    """How long clips take, idle and under load, and what health checks and submissions take meanwhile."""
    table = Table(title="p50 / p95 / p99, ms", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("workers", "clip, idle", "under load", "as a job, idle", "under load", "health", "submission"):
        table.add_column(column, justify="right")
    for item in loads:
        spreads = (item.idle, item.busy, item.idle_jobs, item.busy_jobs, item.health, item.submissions)
        table.add_row(str(item.workers), *map(_spread, spreads))
    return table


def throughput_table(loads: Sequence[Load]) -> Table:
    """What is done of long files, and for whom."""
    table = Table(title="long files, seconds of audio a second", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("workers", "alone", "of linear", "with clips", "Jain's index of accounts"):
        table.add_column(column, justify="right")
    shares = {load.workers: share for load, share in growth(loads)}
    for item in loads:
        share = f"{shares[item.workers]:.2f}x" if item.workers in shares else ""
        table.add_row(str(item.workers), f"{item.alone:.1f}", share, f"{item.mixed:.1f}", f"{item.fairness:.2f}")
    return table


def _spread(spread: Spread) -> str:
    return f"{1000 * spread.p50:.0f} / {1000 * spread.p95:.0f} / {1000 * spread.p99:.0f}"
