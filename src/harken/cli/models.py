# SPDX-License-Identifier: Apache-2.0
"""``harken models``: what there is, what is installed, and fetching, checking and deleting it.

Exit codes: 0 done, 1 something could not be done, 2 it was asked wrongly. Knows the terminal; the rules are in
:mod:`harken.models`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from harken.cli.settings import load_settings
from harken.errors import HarkenError, InvalidRequest
from harken.models.catalog import DEFAULT_ALIAS, Catalog
from harken.models.delivery import Progress as Report
from harken.models.spec import ModelSpec
from harken.models.standard import model_store
from harken.models.store import ModelStore

app = typer.Typer(help="List, fetch, verify and delete models.", no_args_is_help=True, add_completion=False)

Names = Annotated[list[str], typer.Argument(metavar="NAMES...", help="Names, aliases or presets.")]


@app.command("list")
def list_models() -> None:
    """Every model and preset, with its other names, its size, and whether it is installed."""
    store = model_store(load_settings())
    installed = {found.name: found for found in store.installed()}
    rows = [
        (
            spec.name,
            ", ".join(_aliases(spec, store.catalog)),
            decimal(installed[spec.name].size if spec.name in installed else spec.size),
            "yes" if spec.name in installed else "no",
            _pinned(spec),
        )
        for spec in store.catalog.entries()
    ]
    headings = ("name", "also", "size", "installed", "pinned")
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        for row in (headings, *rows):
            typer.echo("\t".join(row))
        return
    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row, style="bold" if row[3] == "yes" else None)
    console.print(table)
    for preset in store.catalog.presets():
        console.print(f"preset {preset.name}: {preset.model}, {preset.compute_type or 'default'}")
    console.print(f"default: {store.catalog.default.name}; folder: {store.root}", soft_wrap=True)
    console.print(
        "pinned: 'files' are held to hashes in harken; 'weights' and 'revision' leave the other files, or all, to the "
        "hashes that the hub gives for a fixed revision."
    )


@app.command()
def fetch(names: Names) -> None:
    """Fetch models, unless they are installed already. An interrupted fetch goes on where it stopped."""
    store = model_store(load_settings())

    def one(name: str) -> str:
        spec = store.catalog.entry(name)
        new = fetched(store, spec.name)
        return f"{spec.name}: {'installed' if new else 'already installed'} in {store.root / spec.name}"

    _each(names, one)


@app.command()
def verify(names: Annotated[list[str] | None, typer.Argument(metavar="[NAMES...]")] = None) -> None:
    """Read every byte of models (all that are here, when none is named) and compare it with what it must be."""
    store = model_store(load_settings())

    def one(name: str) -> str:
        found = store.verify(name)
        return f"{found.name}: {decimal(found.size)}, every byte as it must be; from {found.source}"

    chosen = names or store.present()
    if not chosen:
        typer.echo(f"nothing is installed in {store.root}")
    _each(chosen, one)


@app.command()
def delete(names: Names) -> None:
    """Delete installed models, and what an interrupted fetch left."""
    store = model_store(load_settings())

    def one(name: str) -> str:
        freed = store.delete(name)
        return f"{store.catalog.entry(name).name}: deleted, {decimal(freed)} freed"

    _each(names, one)


def fetched(store: ModelStore, name: str) -> bool:
    """Have a model installed, and tell how it goes; returns whether it was not there before."""
    spec = store.catalog.entry(name)
    if spec.name in {found.name for found in store.installed()}:
        return False
    with _reporting(spec) as report:
        store.fetch(name, report)
    return True


def _each(names: list[str], act: Callable[[str], str]) -> None:
    """Do it for every name, however the one before went; then say by the exit code how it went."""
    code = 0
    for name in names:
        try:
            typer.echo(act(name))
        except HarkenError as error:
            typer.echo(f"harken: {error}", err=True)
            code = max(code, 2 if isinstance(error, InvalidRequest) else 1)
    if code:
        raise typer.Exit(code)


@contextmanager
def _reporting(spec: ModelSpec) -> Iterator[Report]:
    """A bar on a terminal, a line for each step elsewhere. Both on stderr: stdout is for results."""
    if not sys.stderr.isatty():
        said = ""

        def tell(_done: int, _total: int, what: str) -> None:
            nonlocal said
            if what != said:
                said = what
                typer.echo(f"{spec.name}: {what}", err=True)

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(spec.name, total=None)
        yield lambda done, total, what: bar.update(
            task, completed=done, total=total or None, description=f"{spec.name}: {what}"
        )


def _aliases(spec: ModelSpec, catalog: Catalog) -> list[str]:
    # Hub names and whisper-NAME can be guessed; the table is for the others.
    told = [name for name in spec.aliases if "/" not in name and name != f"whisper-{spec.name}"]
    return [*told, DEFAULT_ALIAS] if catalog.default.spec is spec else told


def _pinned(spec: ModelSpec) -> str:
    if spec.pinned:
        return "files"
    return "weights" if spec.files[0].pinned else "revision"
