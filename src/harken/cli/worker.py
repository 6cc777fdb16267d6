# SPDX-License-Identifier: Apache-2.0
"""``harken worker``: workers for a server that runs elsewhere, on the same database and recordings."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from harken.model import Lane

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    lane: Annotated[
        list[Lane] | None,
        typer.Option(help="Lane to take from, repeatable; HARKEN_WORKER_LANES.", show_default="all of them"),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model to take recordings of, repeatable; HARKEN_WORKER_MODELS.", show_default="any"),
    ] = None,
    children: Annotated[
        int | None,
        typer.Option(help="Processes that hold a model each; HARKEN_CHILDREN.", min=1, show_default="one a core"),
    ] = None,
) -> None:
    """Run workers only, for a server on the same database; any number of them, each for some lanes and models or all.

    Set HARKEN_DATABASE_URL and HARKEN_BLOBS as the server has them; without a bucket, HARKEN_DATA_DIR is a folder that
    both see: recordings are in it.
    """
    from harken.cli import processes  # noqa: PLC0415 - not for --help

    lanes = ",".join(lane) if lane else None
    models = json.dumps(model) if model else None
    raise typer.Exit(processes.run("worker", worker_lanes=lanes, worker_models=models, children=children))
