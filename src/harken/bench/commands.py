# SPDX-License-Identifier: Apache-2.0
"""What ``harken bench`` does, one function a command: measure, print, and say whether what must hold does.

Knows no arguments and no settings: those are read in :mod:`harken.cli.bench`.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from harken.bench import material, report, speed_report
from harken.bench.accuracy import gate, listen
from harken.bench.baseline import FasterWhisper, Remembered, cache_folder
from harken.bench.corpus import read_corpus
from harken.bench.engines import Engine, build
from harken.bench.live import measure_live
from harken.bench.memory import make_long, peak
from harken.bench.memory import targets as memory_targets
from harken.bench.server import Client, measure_server, started
from harken.bench.speed import measure, scenarios, targets
from harken.bench.targets import Target, target_lines
from harken.model import SAMPLE_RATE, Mode
from harken.models.store import ModelStore


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
    shifts: int = 0,
    verbose: bool = False,
    json_file: Path | None = None,
) -> bool:
    """Score a corpus, and with ``shifts`` so many shifted copies of it; whether every rule of the gate holds."""
    items = read_corpus(corpus, sets)
    folder = store.path(model)
    theirs: Engine | None = None
    if baseline:
        theirs = (
            Remembered(folder, cache_folder(), threads=threads) if cache else FasterWhisper(folder, threads=threads)
        )
    ours = build("harken fast" if mode == "fast" else "harken", store, model, threads=threads)
    hearings = 1 + shifts
    with (
        Progress(console=console, transient=True) as progress,
        tempfile.TemporaryDirectory(prefix="harken-bench-") as folder_of_copies,
    ):
        task = progress.add_task("listening", total=len(items) * hearings)
        heard = material.shifted(items, shifts, Path(folder_of_copies))
        pairs = listen(heard, ours, theirs, languages=languages, progress=lambda _: progress.advance(task))
    rules = gate(pairs, hearings)
    if verbose:
        console.print(report.differences_of(pairs))
    console.print(report.accuracy_table(pairs, hearings))
    console.print(report.gate_lines(rules))
    settings = {"model": model, "mode": mode, "threads": threads, "language_from_manifest": languages, "shifts": shifts}
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
    with tempfile.TemporaryDirectory(prefix="harken-bench-") as temporary:
        if corpus is not None:
            long_clip, short = material.of_corpus(read_corpus(corpus))
        else:
            long_clip, short = material.built_in(store, Path(temporary))
        if long is not None:
            long_clip = material.of_file(long)
        if clips is not None:
            short = material.of_folder(clips)
        tables = []
        for scenario in scenarios(long_clip, short):
            found = measure(
                scenario,
                rounds=rounds,
                models_dir=store.root,
                model=model,
                warm_up=short[0],
                language=language,
                progress=lambda line: console.print(line, style="dim"),
            )
            console.print(speed_report.speed_table(found))
            tables.append(found)
    wanted = targets(tables)
    console.print(target_lines(wanted))
    _write(json_file, speed_report.speed_json(tables, wanted, {"model": model, "rounds": rounds, "language": language}))


def memory(
    store: ModelStore,
    console: Console,
    *,
    hours: float = 3.0,
    children: int = 1,
    model: str = "base",
    json_file: Path | None = None,
) -> None:
    """Peak memory of the worker for ten minutes and for hours of speech."""
    short = 600.0
    peaks = []
    with tempfile.TemporaryDirectory(prefix="harken-bench-") as temporary:
        folder = Path(temporary)
        speech = material.built_in_speech(store)
        warm_up = folder / "warm-up.wav"
        material.write(warm_up, speech[: 10 * SAMPLE_RATE])
        table = Table(title=f"Peak memory, {children} recognising", box=box.SIMPLE_HEAD, pad_edge=False)
        for column in ("audio min", "RSS MB", "shared once MB", "processes", "wall s", "RTFx"):
            table.add_column(column, justify="right")
        for seconds in (short, 3600 * hours):
            console.print(f"{seconds / 60:.0f} minutes of speech", style="dim")
            path = folder / f"{seconds:.0f}.opus"
            make_long(path, speech, seconds)
            found = peak(path, seconds, warm_up=warm_up, models_dir=store.root, model=model, children=children)
            peaks.append(found)
            table.add_row(
                f"{seconds / 60:.0f}",
                f"{found.rss / 1e6:.0f}",
                f"{found.pss / 1e6:.0f}",
                str(found.processes),
                f"{found.taken.wall:.0f}",
                f"{seconds / found.taken.wall:.1f}",
            )
    wanted = memory_targets(*peaks)
    console.print(table, target_lines(wanted))
    figures = [{**asdict(item), "taken": {"wall": item.taken.wall, "cpu": item.taken.cpu}} for item in peaks]
    _write(json_file, _report({"model": model, "hours": hours, "children": children}, wanted, peaks=figures))


def server(
    store: ModelStore,
    console: Console,
    *,
    url: str | None = None,
    key: str | None = None,
    json_file: Path | None = None,
) -> None:
    """What a server adds to the engine; one is started on a free port unless ``url`` names one."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harken-bench-")))
        speech = material.built_in_speech(store)
        recordings = {
            "clip.wav": speech[: 3 * SAMPLE_RATE],
            "long.wav": np.tile(speech, 6),
            "silence.wav": np.zeros(SAMPLE_RATE, dtype=np.float32),
        }
        files = {}
        for name, samples in recordings.items():
            material.write(folder / name, samples)
            files[name] = (name, (folder / name).read_bytes())
        if url is None:
            console.print("starting a server", style="dim")
            url = stack.enter_context(started(folder))
        figures = measure_server(
            Client(url, key=key),
            files["clip.wav"],
            files["long.wav"],
            files["silence.wav"],
            progress=lambda line: console.print(line, style="dim"),
        )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    for name, value in (
        ("engine's own time, median", f"{1000 * figures.processing:.0f} ms"),
        ("overhead, median / p95", f"{1000 * figures.overhead:.1f} / {1000 * figures.overhead_p95:.1f} ms"),
        ("health under load, p50 / p99", f"{1000 * figures.health_p50:.1f} / {1000 * figures.health_p99:.1f} ms"),
        ("health checks", str(figures.checks)),
        ("small jobs per second", f"{figures.jobs_per_second:.1f}"),
    ):
        table.add_row(name, value)
    wanted = figures.targets()
    console.print(table, target_lines(wanted))
    _write(json_file, _report({"url": url}, wanted, figures=asdict(figures)))


def live(
    store: ModelStore,
    console: Console,
    *,
    listeners: int = 200,
    url: str | None = None,
    key: str | None = None,
    json_file: Path | None = None,
) -> None:
    """What live listeners get; a server is started on a free port unless ``url`` names one."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harken-bench-")))
        speech = material.built_in_speech(store)
        recording = folder / "long.wav"
        material.write(recording, np.tile(speech, 12))
        if url is None:
            console.print("starting a server", style="dim")
            url = stack.enter_context(started(folder))
        figures = measure_live(
            Client(url, key=key),
            (recording.name, recording.read_bytes()),
            listeners=listeners,
            progress=lambda line: console.print(line, style="dim"),
        )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    for name, value in (
        ("submission to first segment, median / p95", f"{figures.first_p50:.2f} / {figures.first_p95:.2f} s"),
        ("listeners", str(figures.listeners)),
        ("segments that each of them hears", str(figures.segments)),
        ("lost, repeated", f"{figures.lost}, {figures.repeated}"),
        ("from the first listener to the others, p50 / p99",
         f"{1000 * figures.lag_p50:.0f} / {1000 * figures.lag_p99:.0f} ms"),
        ("health meanwhile, p99", f"{1000 * figures.health_p99:.1f} ms"),
    ):  # fmt: skip
        table.add_row(name, value)
    wanted = figures.targets()
    console.print(table, target_lines(wanted))
    _write(json_file, _report({"url": url, "listeners": listeners}, wanted, figures=asdict(figures)))


def _report(settings: dict[str, Any], wanted: Sequence[Target], **found: Any) -> dict[str, Any]:
    return {
        "machine": report.machine(),
        "settings": settings,
        **found,
        "targets": [asdict(target) for target in wanted],
    }


def _write(path: Path | None, data: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
