# SPDX-License-Identifier: Apache-2.0
"""``python -m harken.cli.reference docs``: writes the pages on commands and settings, from the code itself.

A test fails when the pages are not what this makes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import typer.main
from pydantic.fields import FieldInfo

from harken.cli.app import COMMANDS, app, load
from harken.cli.settings import PREFIX
from harken.config import Settings

_WIDTH = 100

_CLI = """\
# The command line

`harken` is installed with the extra `cli`, and with it `server`; after `make serve` it is `.venv/bin/harken`.
Results go to standard output, everything else to standard error. A command ends with 0 when all went well, with 1 when
something failed, with 2 when it was asked wrongly, and with 130 after Ctrl-C. Settings are environment variables
([settings.md](settings.md)), and hold for every command.

```sh
harken transcribe talk.mp3                           # text, line by line as it is recognised
harken transcribe *.mp4 -f srt -f txt -o subtitles/  # many files, several formats
harken transcribe recordings/ -f vtt -w -o out/      # every media file below a folder, cues on word times
ffmpeg ... -f wav - | harken transcribe -            # standard input
harken doctor                                        # what is installed, reachable and missing
```

This page is made by `python -m harken.cli.reference docs`.
"""

_SETTINGS = """\
# Settings

Every setting is an environment variable. One that is empty counts as unset. Sizes are bytes, times are seconds; lists
are comma-separated or JSON, objects are JSON. A flag of `harken serve` or `harken worker` goes before its variable.
`harken doctor` names variables that start with `HARKEN_` and mean nothing.

| variable | default | what it is |
|---|---|---|
"""

_SETTINGS_END = """
A preset is a name for a model with a way to run it: `HARKEN_PRESETS='{"meeting": {"model": "small", "beam_size": 5}}'`.

This page is made by `python -m harken.cli.reference docs`.
"""

_COMPUTED = {
    "data_dir": "`~/.local/share/harken`",
    "models_dir": "`~/.cache/harken/models`",
    "children": "one a core, at most 8",
    "presets": "",
    "prices": "",
}
"""Defaults that depend on the machine."""


def commands_page() -> str:
    """``docs/cli.md``: the help of every command, as it says it itself."""
    root = typer.main.get_command(app)
    sections = [_CLI, _section("harken", root)]
    for name in COMMANDS:
        command = load(name)
        sections.append(_section(f"harken {name}", command))
        sections += [_section(f"harken {name} {sub.name}", sub) for sub in _subcommands(command)]
    return "\n".join(sections)


def _subcommands(command: Any) -> Iterator[Any]:
    yield from getattr(command, "commands", {}).values()


def _section(title: str, command: Any) -> str:
    context = typer.Context(
        command, info_name=title, terminal_width=_WIDTH, help_option_names=["-h", "--help"], resilient_parsing=True
    )
    return f"## {title}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


def settings_page() -> str:
    """``docs/settings.md``: every field of :class:`~harken.config.Settings`."""
    rows = (
        f"| `{PREFIX}{name.upper()}` | {_default(name, field)} | {(field.description or '').replace('|', '/')} |\n"
        for name, field in Settings.model_fields.items()
    )
    return _SETTINGS + "".join(rows) + _SETTINGS_END


def _default(name: str, field: FieldInfo) -> str:
    if name in _COMPUTED:
        return _COMPUTED[name]
    value = field.default
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:.0f}`" if isinstance(value, float) and value.is_integer() else f"`{value}`"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "cli.md").write_text(commands_page(), encoding="utf-8")
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")
