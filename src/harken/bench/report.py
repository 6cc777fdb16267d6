# SPDX-License-Identifier: Apache-2.0
"""What the accuracy comparison found, as tables for people and as JSON for machines."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harken.bench.accuracy import Pair, Rule, SetResult, differing, summarise, total
from harken.bench.scoring import Score

PACKAGES = ("harken", "faster-whisper", "ctranslate2", "av", "onnxruntime", "numpy")


def machine() -> dict[str, Any]:
    """What the figures were measured on and with."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def accuracy_table(pairs: Sequence[Pair], hearings: int = 1) -> Table:
    """Words, errors and rates by set, harken beside the baseline; sums over all hearings of a recording."""
    results = summarise(pairs)
    title = "Word errors and WER %, by character where no blanks are written"
    if hearings > 1:
        title += f"; sums of {hearings} hearings"
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("set", no_wrap=True)
    for column in ("files", "words", "harken", "baseline", "delta", "invented"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in results:
        table.add_row(*_cells(result))
    table.add_section()
    table.add_row(*_cells(total(results)), style="bold")
    return table


def gate_lines(rules: Sequence[Rule]) -> Text:
    """Every rule with its verdict."""
    lines = Text()
    for rule in rules:
        lines.append("pass  " if rule.ok else "FAIL  ", style="green" if rule.ok else "bold red")
        lines.append(f"{rule.name}: {rule.detail}\n")
    return lines


def differences_of(pairs: Sequence[Pair]) -> RenderableType:
    """The recordings that the engines heard differently, and how each was wrong."""
    lines: list[RenderableType] = []
    for pair in pairs:
        if pair.ours.error:
            lines.append(Text(f"{pair.item.name}: {pair.ours.error}", style="red"))
        if not pair.item.spoken:
            if pair.ours.text or (pair.baseline and pair.baseline.text):
                theirs = pair.baseline.text if pair.baseline else ""
                lines.append(Text(f"{pair.item.name}\n  invented {pair.ours.text!r}\n  baseline {theirs!r}"))
            continue
        ours, theirs_wrong = differing(pair)
        if ours != theirs_wrong:
            found = f"{pair.item.name}\n  harken   {', '.join(ours) or 'all right'}"
            if pair.baseline is not None:
                found += f"\n  baseline {', '.join(theirs_wrong) or 'all right'}"
            lines.append(Text(found))
    return Group(*lines)


def accuracy_json(pairs: Sequence[Pair], rules: Sequence[Rule], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything, down to the texts."""
    results = summarise(pairs)
    return {
        "machine": machine(),
        "settings": settings,
        "sets": [_counts(result) for result in [*results, total(results)]],
        "gate": [asdict(rule) for rule in rules],
        "recordings": [
            {
                "set": pair.item.set,
                "audio": pair.item.path.name,
                "reference": pair.item.text,
                "harken": asdict(pair.ours),
                "baseline": asdict(pair.baseline) if pair.baseline else None,
            }
            for pair in pairs
        ],
    }


def _cells(result: SetResult) -> list[str]:
    baseline = result.baseline
    spoken = result.ours.words > 0
    silent = not spoken or result.invented_baseline is not None
    return [
        result.name,
        str(result.files),
        str(result.ours.words) if spoken else "",
        _rate(result.ours) if spoken else "",
        _rate(baseline) if baseline and spoken else "",
        f"{result.ours.wer - baseline.wer:+.2f}" if baseline and spoken else "",
        _beside(result.invented_ours, result.invented_baseline) if silent else "",
    ]


def _beside(ours: int, baseline: int | None) -> str:
    return str(ours) if baseline is None else f"{ours} / {baseline}"


def _rate(score: Score) -> str:
    return f"{score.errors} {score.wer:6.2f}"


def _counts(result: SetResult) -> dict[str, Any]:
    def counts(score: Score | None) -> dict[str, Any] | None:
        return None if score is None else {**asdict(score), "errors": score.errors, "wer": round(score.wer, 3)}

    return {**asdict(result), "ours": counts(result.ours), "baseline": counts(result.baseline)}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - not a path of ours
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
