# SPDX-License-Identifier: Apache-2.0
"""``harken serve``: the server and its workers under one supervisor, or the server alone."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind; HARKEN_HOST.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to bind; HARKEN_PORT.", min=0, max=65535, show_default="8000")
    ] = None,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Run the workers too, or leave them to `harken worker`.")
    ] = True,
) -> None:
    """Run the server, and the workers with it.

    Every other setting is an environment variable: see docs/settings.md. Ctrl-C stops it; jobs that are not done go on
    at the next start.
    """
    from harken.cli import processes  # noqa: PLC0415 - not for --help

    raise typer.Exit(processes.run("serve" if worker else "api", host=host, port=port))
