# SPDX-License-Identifier: Apache-2.0
"""``harken bench``: reads arguments and settings; :mod:`harken.bench` does the work."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harken.bench import commands
from harken.bench import diarization as bench_diarization
from harken.bench import load_report as bench_load
from harken.bench import vocabulary as bench_vocabulary
from harken.bench.load import Extent
from harken.cli.settings import load_settings
from harken.models.store import ModelStore

app = typer.Typer(
    help="Measure accuracy, speed, memory and overhead on this machine.", no_args_is_help=True, add_completion=False
)


class ModeName(enum.StrEnum):
    """Modes of recognition."""

    DEFAULT = "default"
    FAST = "fast"


class HalfName(enum.StrEnum):
    """Halves of a corpus: what a method is chosen on, and what it is judged by."""

    ALL = "all"
    DEVELOPMENT = "development"
    HELD_OUT = "held-out"


Model = Annotated[str, typer.Option(help="Any name of the catalog; it must be installed.")]
Json = Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Also write everything to this file.")]


@app.command()
def accuracy(
    corpus: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of labelled sets.")],
    sets: Annotated[str, typer.Option(help="Only these sets, comma-separated.")] = "",
    mode: Annotated[ModeName, typer.Option(help="Harken's mode.")] = ModeName.DEFAULT,
    model: Model = "base",
    threads: Annotated[int, typer.Option(min=1, help="Threads of each engine.")] = 1,
    baseline: Annotated[bool, typer.Option(help="Compare with faster-whisper and judge the gate.")] = True,
    cache: Annotated[bool, typer.Option(help="Keep and use what the baseline heard before.")] = True,
    languages: Annotated[
        bool, typer.Option("--language-from-manifest", help="Tell the engines the language; else they detect it.")
    ] = False,
    shifts: Annotated[
        int, typer.Option(min=0, help="Also hear so many copies that begin 13 ms later each; judge the means.")
    ] = 0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List what was heard differently.")] = False,
    json_file: Json = None,
) -> None:
    """Word errors on a labelled corpus, beside faster-whisper on the same weights. Fails when the gate does."""
    ok = commands.accuracy(
        _store(),
        Console(),
        corpus,
        sets=[name.strip() for name in sets.split(",") if name.strip()],
        mode=mode.value,
        model=model,
        threads=threads,
        baseline=baseline,
        cache=cache,
        languages=languages,
        shifts=shifts,
        verbose=verbose,
        json_file=json_file,
    )
    if not ok:
        raise typer.Exit(1)


@app.command()
def speed(
    corpus: Annotated[
        Path | None, typer.Argument(exists=True, file_okay=False, help="Labelled sets to choose from.")
    ] = None,
    long: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A long recording of your own.")
    ] = None,
    clips: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="A folder of short ones.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each engine is measured.")] = 3,
    model: Model = "base",
    language: Annotated[str | None, typer.Option(help="Tell the engines the language; else they detect it.")] = None,
    json_file: Json = None,
) -> None:
    """Time and processor seconds beside faster-whisper on the same weights, with medians, ratios and targets."""
    commands.speed(
        _store(),
        Console(),
        corpus=corpus,
        long=long,
        clips=clips,
        rounds=rounds,
        model=model,
        language=language,
        json_file=json_file,
    )


@app.command()
def vocabulary(
    corpus: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of labelled sets.")],
    sets: Annotated[str, typer.Option(help="Only these sets, comma-separated.")] = "",
    which: Annotated[HalfName, typer.Option("--half", help="Every second text of the corpus, or all.")] = HalfName.ALL,
    mode: Annotated[ModeName, typer.Option(help="Harken's mode.")] = ModeName.DEFAULT,
    model: Model = "base",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the recogniser.")] = 1,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List what a list changed.")] = False,
    json_file: Json = None,
) -> None:
    """Rare words that are heard with and without a list of them, and what lists cost. Fails when the gate does."""
    ok = bench_vocabulary.vocabulary(
        _store(),
        Console(),
        corpus,
        sets=[name.strip() for name in sets.split(",") if name.strip()],
        which=which.value,
        mode=mode.value,
        model=model,
        threads=threads,
        verbose=verbose,
        json_file=json_file,
    )
    if not ok:
        raise typer.Exit(1)


@app.command()
def diarization(
    corpus: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of sets.")],
    sets: Annotated[str, typer.Option(help="Only recordings of these sets, comma-separated.")] = "",
    stitched: Annotated[int, typer.Option(min=0, help="Meetings to stitch from the corpus's readers.")] = 20,
    seed: Annotated[int, typer.Option(help="Another number gives other meetings.")] = 1,
    hours: Annotated[float, typer.Option(min=0, help="Also measure memory with a recording of so many hours.")] = 0.0,
    words: Annotated[bool, typer.Option(help="Count the words with the right speaker.")] = True,
    voices: Annotated[bool, typer.Option(help="Measure how often a stranger is taken for a known voice.")] = True,
    senko: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Python of an environment that has senko, to measure beside."),
    ] = None,
    model: Model = "base",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List every recording.")] = False,
    json_file: Json = None,
) -> None:
    """Who speaks when, whose words are whose and known voices, on labelled recordings and stitched meetings."""
    bench_diarization.diarization(
        _store(),
        Console(),
        corpus,
        sets=[name.strip() for name in sets.split(",") if name.strip()],
        stitched=stitched,
        seed=seed,
        hours=hours,
        words=words,
        voices=voices,
        senko=senko,
        model=model,
        verbose=verbose,
        json_file=json_file,
    )


@app.command()
def memory(
    hours: Annotated[float, typer.Option(min=0.05, help="Length of the long recording.")] = 3.0,
    model: Model = "base",
    json_file: Json = None,
) -> None:
    """Peak memory of the worker for ten minutes and for hours of speech, which takes a while."""
    settings = load_settings()
    commands.memory(_store(), Console(), hours=hours, children=settings.children, model=model, json_file=json_file)


@app.command()
def server(
    url: Annotated[str | None, typer.Option(help="A server that runs; else one is started.")] = None,
    key: Annotated[str | None, typer.Option(envvar="HARKEN_API_KEY", help="API key, where it asks for one.")] = None,
    json_file: Json = None,
) -> None:
    """What a server adds to the engine's time, health under load, and small jobs per second."""
    commands.server(_store(), Console(), url=url, key=key, json_file=json_file)


@app.command()
def live(
    listeners: Annotated[int, typer.Option(min=2, help="Web sockets on one job.")] = 200,
    url: Annotated[str | None, typer.Option(help="A server that runs; else one is started.")] = None,
    key: Annotated[str | None, typer.Option(envvar="HARKEN_API_KEY", help="API key, where it asks for one.")] = None,
    json_file: Json = None,
) -> None:
    """Time from submission to the first live segment, and whether many listeners at once hear everything."""
    commands.live(_store(), Console(), listeners=listeners, url=url, key=key, json_file=json_file)


@app.command()
def load(
    corpus: Annotated[
        Path | None, typer.Argument(exists=True, file_okay=False, help="Labelled sets to take speech from.")
    ] = None,
    workers: Annotated[str, typer.Option(help="Numbers of workers, comma-separated.")] = "1,2,4",
    seconds: Annotated[float, typer.Option(min=5, help="Of each measurement under load.")] = 60.0,
    json_file: Json = None,
) -> None:
    """Short clips while long files run, with ever more workers: waiting, throughput, fairness, and health meanwhile."""
    bench_load.load(
        _store(),
        Console(),
        corpus=corpus,
        workers=_numbers(workers),
        extent=Extent(alone=seconds, mixed=seconds),
        json_file=json_file,
    )


def _numbers(listed: str) -> list[int]:
    numbers = [int(item) for item in listed.split(",") if item.strip().isdecimal() and int(item)]
    if not numbers or len(numbers) != len(listed.split(",")):
        raise typer.BadParameter(f"{listed} is no list of numbers such as 1,2,4", param_hint="--workers")
    return numbers


def _store() -> ModelStore:
    return ModelStore(load_settings().models_dir)
