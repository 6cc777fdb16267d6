# SPDX-License-Identifier: Apache-2.0
"""What ``harken bench`` does, one function a command: measure, print, and say whether what must hold does.

The command line in :mod:`harken.cli.bench` only reads arguments, so that it starts without this room's libraries.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from harken.bench import material, report, speed_report
from harken.bench.accuracy import gate, listen
from harken.bench.baseline import FasterWhisper, Remembered, cache_folder
from harken.bench.corpus import read_corpus
from harken.bench.engines import Engine, Harken
from harken.bench.speed import measure, scenarios, targets
from harken.model import Mode
from harken.models.store import ModelStore

VAD_FILE = "silero_vad.onnx"


def accuracy(
    store: ModelStore,
    console: Console,
    corpus: Path,
    *,
    sets: Collection[str] = (),
    mode: Mode = "default",
    model: str = "base",
    threads: int = 1,
    baseline: bool = True,
    cache: bool = True,
    languages: bool = False,
    verbose: bool = False,
    json_file: Path | None = None,
) -> bool:
    """Score a corpus; whether every rule of the gate holds."""
    items = read_corpus(corpus, sets)
    folder, vad = store.path(model), store.path("silero-vad") / VAD_FILE
    theirs: Engine | None = None
    if baseline:
        theirs = (
            Remembered(folder, cache_folder(), threads=threads) if cache else FasterWhisper(folder, threads=threads)
        )
    ours = Harken(folder, vad, mode=mode, threads=threads)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("listening", total=len(items))
        pairs = listen(items, ours, theirs, languages=languages, progress=lambda _: progress.advance(task))
    rules = gate(pairs)
    if verbose:
        console.print(report.differences_of(pairs))
    console.print(report.accuracy_table(pairs))
    console.print(report.gate_lines(rules))
    settings = {"model": model, "mode": mode, "threads": threads, "language_from_manifest": languages}
    _write(json_file, report.accuracy_json(pairs, rules, settings))
    return all(rule.ok for rule in rules)


def speed(
    store: ModelStore,
    console: Console,
    *,
    corpus: Path | None = None,
    long: Path | None = None,
    clips: Path | None = None,
    rounds: int = 3,
    model: str = "base",
    language: str | None = None,
    json_file: Path | None = None,
) -> None:
    """Time harken beside faster-whisper; what was not reached is printed, not raised."""
    folder, vad = store.path(model), store.path("silero-vad") / VAD_FILE
    with tempfile.TemporaryDirectory(prefix="harken-bench-") as temporary:
        if corpus is not None:
            long_clip, short = material.of_corpus(read_corpus(corpus))
        else:
            long_clip, short = material.built_in(store, Path(temporary))
        if long is not None:
            long_clip = material.of_file(long)
        if clips is not None:
            short = material.of_folder(clips)
        tables = [
            measure(
                scenario,
                rounds=rounds,
                model=folder,
                vad=vad,
                warm_up=short[0],
                language=language,
                progress=lambda line: console.log(line, _stack_offset=4),
            )
            for scenario in scenarios(long_clip, short)
        ]
    wanted = targets(tables)
    for table in tables:
        console.print(speed_report.speed_table(table))
    console.print(speed_report.target_lines(wanted))
    _write(json_file, speed_report.speed_json(tables, wanted, {"model": model, "rounds": rounds, "language": language}))


def _write(path: Path | None, data: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
