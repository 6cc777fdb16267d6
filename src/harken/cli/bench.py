# SPDX-License-Identifier: Apache-2.0
"""``harken bench``: reads arguments and settings; :mod:`harken.bench.commands` does the work."""

from __future__ import annotations

import enum
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console

from harken.config import Settings
from harken.errors import MissingExtra
from harken.models.store import ModelStore

app = typer.Typer(
    help="Measure accuracy, speed, memory and overhead on this machine.", no_args_is_help=True, add_completion=False
)


class ModeName(enum.StrEnum):
    """Modes of recognition."""

    DEFAULT = "default"
    FAST = "fast"


Model = Annotated[str, typer.Option(help="Any name of the catalog; it must be installed.")]
Json = Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Also write everything to this file.")]
Folder = Annotated[Path | None, typer.Option(exists=True, file_okay=False)]


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
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List what was heard differently.")] = False,
    json_file: Json = None,
) -> None:
    """Word errors on a labelled corpus, beside faster-whisper on the same weights. Fails when the gate does."""
    ok = _commands().accuracy(
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
    _commands().speed(
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


def _store() -> ModelStore:
    return ModelStore(Settings().models_dir)


def _commands() -> ModuleType:
    try:
        # The measuring libraries are an extra, and slow to import.
        from harken.bench import commands  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtra(f"measuring needs {error.name}: pip install 'harken[bench]'") from error
    return commands
