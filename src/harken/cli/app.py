# SPDX-License-Identifier: Apache-2.0
"""The commands of ``harken`` put together, and how each of them ends.

A command's module is imported when the command is run, so that help comes at once and an extra that is not installed
costs only the commands that need it. Knows no command's arguments.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from harken.errors import HarkenError, InvalidRequest

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that is imported when it is used."""

    module: str
    """Its ``app`` is the command, or the group of commands."""
    help: str
    extra: str = "cli"
    """What it needs installed."""


COMMANDS = {
    "transcribe": Entry("harken.cli.transcribe", "Turn recordings into text and subtitles."),
    "serve": Entry("harken.cli.serve", "Run the server, and the workers with it.", extra="server"),
    "worker": Entry("harken.cli.worker", "Run workers only, for a server on the same database.", extra="server"),
    "models": Entry("harken.cli.models", "List, fetch, verify and delete models."),
    "voices": Entry("harken.cli.voices", "Enrol, list and forget known voices.", extra="server"),
    "keys": Entry("harken.cli.keys", "Create, list and revoke API keys.", extra="server"),
    "doctor": Entry("harken.cli.doctor", "Say what is installed, reachable and missing."),
    "bench": Entry("harken.cli.bench", "Measure accuracy and speed on this machine.", extra="bench"),
}


class Commands(typer.core.TyperGroup):
    """Imports commands late, and ends one that failed on purpose with one line instead of a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Every command, in the order of :data:`COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """A stand-in with the command's name and help, enough to list it."""
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else typer.core.TyperCommand(cmd_name, help=entry.help, rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, None if stand_in is None or name is None else load(name), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command. 1 is a failure, 2 a wrong option, 130 Ctrl-C."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] == "harken":
                raise
            entry = COMMANDS.get(str(ctx.invoked_subcommand))
            extra = "cli" if entry is None else entry.extra
            typer.echo(f"harken: {error.name} is not installed: pip install 'harken[{extra}]'", err=True)
            raise typer.Exit(1) from None
        except HarkenError as error:
            typer.echo(f"harken: {error}", err=True)
            raise typer.Exit(2 if isinstance(error, InvalidRequest) else 1) from None
        except KeyboardInterrupt:
            typer.echo("harken: interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has left, as `head` does. Python would complain again when it closes stdout.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None


def load(name: str) -> Any:
    """The command of that name, imported."""
    group: typer.Typer = import_module(COMMANDS[name].module).app
    group.rich_markup_mode = None
    command = typer.main.get_command(group)
    command.name = name
    return command


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"harken {version('harken')}")
        raise typer.Exit


app = typer.Typer(
    name="harken",
    cls=Commands,
    help="Speech to text on your own machine.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
