# SPDX-License-Identifier: Apache-2.0
"""``harken bench vocabulary``: hear a corpus with and without lists of its rare words, print, and judge.

Knows no arguments and no settings: those are read in :mod:`harken.cli.bench`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from harken import pipeline
from harken.asr import engine as asr
from harken.asr.tokens import WhisperTokens
from harken.audio.vad import SileroDetector
from harken.bench import report
from harken.bench.corpus import read_corpus
from harken.bench.engines import COMPUTE_TYPE, text_of
from harken.bench.hot_words import Change, Result, gate, measure
from harken.bench.rare_words import Half, everything, half, label
from harken.model import Mode, Options
from harken.models.parts import detector
from harken.models.store import ModelStore


class Listing:
    """The library's own path, the model loaded once."""

    def __init__(self, folder: Path, vad: Path, *, mode: Mode, threads: int) -> None:
        """Load the model in ``folder`` and the speech detector in ``vad``."""
        self._recognizer = asr.load(folder, device="cpu", compute_type=COMPUTE_TYPE, threads=threads)
        self._vad = SileroDetector(vad)
        self._mode = mode

    def __call__(self, path: Path, language: str | None, vocabulary: Sequence[str]) -> str:
        """The text."""
        options = Options(language=language, mode=self._mode, vocabulary=tuple(vocabulary))
        return text_of(pipeline.transcribe(path, options, self._recognizer, self._vad))


def vocabulary(
    store: ModelStore,
    console: Console,
    corpus: Path,
    *,
    sets: Collection[str] = (),
    which: Half = "all",
    mode: Mode = "default",
    model: str = "base",
    threads: int = 1,
    verbose: bool = False,
    json_file: Path | None = None,
) -> bool:
    """Hear a corpus, or half of its texts, with every list; whether every rule of the gate holds."""
    folder = store.path(model)
    tokens = WhisperTokens(folder)
    labelled = half(label(read_corpus(corpus, sets), lambda word: len(tokens.encode(" " + word))), which)
    engine = Listing(folder, detector(store.path), mode=mode, threads=threads)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("listening", total=len(labelled))
        results, changes = measure(labelled, engine, progress=lambda _: progress.advance(task))
    seconds = sum(one.item.duration or 0.0 for one in labelled)
    rules = gate(results)
    if verbose:
        for change in changes:
            console.print(_line(change), highlight=False)
    console.print(_table(results, seconds), report.gate_lines(rules))
    if json_file is not None:
        found = {
            "machine": report.machine(),
            "settings": {"model": model, "mode": mode, "threads": threads, "half": which},
            "list": everything(labelled),
            "results": [_row(result) for result in results],
            "gate": [asdict(rule) for rule in rules],
            "changes": [
                {
                    "list": change.given,
                    "audio": change.item.name,
                    "changes": change.differences,
                    "put_in": change.put_in,
                }
                for change in changes
            ],
        }
        json_file.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return all(rule.ok for rule in rules)


def _line(change: Change) -> str:
    wrong = f"; not said: {', '.join(change.put_in)}" if change.put_in else ""
    return f"{change.item.name}, {change.given}: {', '.join(change.differences) or 'signs and case'}{wrong}"


def _table(results: Sequence[Result], seconds: float) -> Table:
    """The counts, and milliseconds of the processor for a second; ``seconds`` is how long the recordings are together.

    Fits into 80 columns.
    """
    words = f"{results[0].said} said, {results[0].missed} of them missed without"
    title = f"Rare words with and without a list: {words}"
    found = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("list", no_wrap=True)
    for column in ("heard", "recall %", "won", "put in", "errors", "WER %", "made up", "ms/s"):
        found.add_column(column, justify="right")
    for result in results:
        found.add_row(
            result.given,
            str(result.heard),
            f"{result.recall:.1f}",
            "" if result.given == "no list" else str(result.won),
            str(result.put_in),
            str(result.score.errors),
            f"{result.score.wer:.2f}",
            str(result.invented),
            f"{1000 * result.cpu / seconds:.0f}" if seconds else "",
        )
    return found


def _row(result: Result) -> dict[str, Any]:
    """One row."""
    counts = {name: getattr(result, name) for name in ("given", "said", "heard", "missed", "won", "put_in", "invented")}
    return {
        **counts,
        "recall": round(result.recall, 2),
        "words": result.score.words,
        "errors": result.score.errors,
        "wer": round(result.score.wer, 3),
        "cpu": round(result.cpu, 3),
    }
