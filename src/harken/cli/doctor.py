# SPDX-License-Identifier: Apache-2.0
"""``harken doctor``: one line for every part, and what to do about those that are missing."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is installed, reachable and missing, and what to do about it.

    Ends with 1 when something that harken needs is missing.
    """
    from harken.cli.checks import Level, examine  # noqa: PLC0415 - only when run

    findings = examine()
    if as_json:
        rows = [{"part": item.part, "level": item.level.value, "detail": item.detail} for item in findings]
        typer.echo(json.dumps(rows, indent=2))
    else:
        width = max(len(item.part) for item in findings)
        for item in findings:
            mark, colour = _MARKS[item.level.value]
            typer.echo(f"{typer.style(mark, fg=colour, bold=True)} {item.part:<{width}}  {item.detail}")
        missing = sum(item.level is Level.MISSING for item in findings)
        typer.echo(
            f"\n{missing} of these must be put right first." if missing else "\nEverything that is needed is there."
        )
    raise typer.Exit(1 if any(item.level is Level.MISSING for item in findings) else 0)


_MARKS = {"ok": ("ok     ", "green"), "note": ("note   ", "yellow"), "missing": ("MISSING", "red")}
