# SPDX-License-Identifier: Apache-2.0
"""``harken worker``: workers for a server that runs elsewhere, on the same database and recordings."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    children: Annotated[
        int | None,
        typer.Option(help="Processes that hold a model each; HARKEN_CHILDREN.", min=1, show_default="one a core"),
    ] = None,
) -> None:
    """Run workers only, for a server on the same database.

    Set HARKEN_DATABASE_URL as the server has it, and HARKEN_DATA_DIR to a folder that both see: recordings are in it.
    """
    from harken.cli import processes  # noqa: PLC0415 - not for --help

    raise typer.Exit(processes.run("worker", children=children))
