# SPDX-License-Identifier: Apache-2.0
"""What the measurement of diarization found, as tables for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from harken.bench.diarization_results import Judged, SetResult
from harken.bench.diarization_scoring import BINS
from harken.bench.diarization_voices import KNOWN, VoiceRow
from harken.bench.diarization_words import Words
from harken.bench.report import machine
from harken.bench.targets import Target


def sets_table(engine: str, results: Sequence[SetResult]) -> Table:
    """Error rates by set. Speed is that of one core, by the processor's clock."""
    table = _table(
        f"{engine}: diarization error rate %, all and with a collar of 0.25 s",
        "set",
        ("files", "count right", "DER", "collar", "missed", "false", "confused", "x real time"),
    )
    for result in results:
        table.add_row(
            result.name,
            str(result.files),
            str(result.counted),
            f"{result.errors.rate:.1f}",
            f"{result.forgiven.rate:.1f}",
            f"{result.errors.percent(result.errors.missed):.1f}",
            f"{result.errors.percent(result.errors.false):.1f}",
            f"{result.errors.percent(result.errors.confused):.1f}",
            f"{result.rtfx:.1f}",
        )
    return table


def recordings_table(engine: str, judged: Sequence[Judged]) -> Table:
    """Every recording."""
    table = _table(f"{engine}, by recording", "recording", ("s", "speakers", "found", "DER", "collar"))
    for item in judged:
        table.add_row(
            f"{item.recording.set}/{item.recording.path.stem}",
            f"{item.recording.duration:.0f}",
            str(item.recording.speakers),
            str(len(item.told.found.speakers)),
            f"{item.errors.rate:.1f}",
            f"{item.forgiven.rate:.1f}",
        )
    return table


def sureness_table(counts: Sequence[tuple[float, float]]) -> Table:
    """Confidence against being right."""
    table = _table("Confidence of turns against being right", "confidence", ("s of speech", "right %"))
    for low, high, (spoken, right) in zip(BINS, BINS[1:], counts, strict=False):
        table.add_row(f"{low:.2f} to {high:.2f}", f"{spoken:.0f}", f"{100 * right / spoken:.1f}" if spoken else "")
    return table


def sure_words_table(words: Iterable[Words]) -> Table:
    """Confidence of words against being right."""
    table = _table("Confidence of words against being right", "confidence", ("words", "right %"))
    for low, high, (count, right) in zip(BINS, BINS[1:], sum(words, Words()).sure, strict=False):
        table.add_row(f"{low:.2f} to {high:.2f}", str(count), f"{100 * right / count:.1f}" if count else "")
    return table


def words_table(words: Mapping[str, Words]) -> Table:
    """Words with the right speaker: segments whole, words by overlap alone, and as harken does it."""
    table = _table(
        "Words with the right speaker %", "recording", ("words", "whole", "overlap", "harken", "put right", "put wrong")
    )
    rows = [*words.items(), ("all", sum(words.values(), Words()))] if len(words) > 1 else list(words.items())
    for name, item in rows:
        each = max(item.matched, 1) / 100
        table.add_row(
            name,
            str(item.matched),
            f"{item.whole / each:.1f}",
            f"{item.overlap / each:.1f}",
            f"{item.right / each:.1f}",
            str(item.mended),
            str(item.spoilt),
        )
    return table


def voices_table(rows: Sequence[VoiceRow]) -> Table:
    """Strangers that are taken for a known voice and known voices that are not recognised, by threshold."""
    table = _table(
        "Known voices: % of strangers accepted, % of known rejected (* is harken's threshold)",
        "s of speech",
        ("cosine", "strangers", "accepted", f"of {KNOWN} voices", "known", "rejected", "over another line"),
    )
    for row in rows:
        table.add_row(
            f"{row.seconds:g}",
            f"{row.cosine:.2f}{'*' if row.chosen else ' '}",
            str(row.strangers),
            f"{row.accepted:.2f}",
            f"{row.accepted_of_ten:.1f}",
            str(row.known),
            f"{row.rejected:.1f}",
            f"{row.rejected_elsewhere:.1f}",
            style="bold" if row.chosen else None,
        )
    return table


def diarization_json(
    judged: Mapping[str, Sequence[Judged]],
    results: Mapping[str, Sequence[SetResult]],
    counts: Sequence[tuple[float, float]],
    words: Mapping[str, Words],
    voices: Sequence[VoiceRow],
    wanted: Sequence[Target],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything but the turns."""
    return {
        "machine": machine(),
        "settings": dict(settings),
        "engines": {
            name: {
                "sets": [_set(result) for result in results[name]],
                "recordings": [_recording(item) for item in items],
            }
            for name, items in judged.items()
        },
        "confidence": [
            {"from": low, "to": high, "seconds": spoken, "right": right}
            for low, high, (spoken, right) in zip(BINS, BINS[1:], counts, strict=False)
        ],
        "words": {name: asdict(item) for name, item in words.items()},
        "voices": [asdict(row) for row in voices],
        "targets": [asdict(target) for target in wanted],
    }


def _set(result: SetResult) -> dict[str, Any]:
    rates = {"der": round(result.errors.rate, 2), "der_collar": round(result.forgiven.rate, 2)}
    return {**asdict(result), **rates, "rtfx": round(result.rtfx, 1)}


def _recording(item: Judged) -> dict[str, Any]:
    return {
        "set": item.recording.set,
        "audio": item.recording.path.name,
        "seconds": item.recording.duration,
        "speakers": item.recording.speakers,
        "found": len(item.told.found.speakers),
        "errors": asdict(item.errors),
        "errors_collar": asdict(item.forgiven),
        "wall": item.told.wall,
        "cpu": item.told.cpu,
        "peak": item.told.peak,
    }


def _table(title: str, first: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table
