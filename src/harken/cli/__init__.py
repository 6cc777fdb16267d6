# SPDX-License-Identifier: Apache-2.0
"""The command line.

Every command is thin: it reads its arguments and the settings, and calls the library or the wiring. What a command
needs is imported when it runs, so that ``harken --help`` is there at once.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """The ``harken`` command."""
    missing = [name for name in ("typer", "rich", "pydantic_settings") if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"harken: the command line is not installed ({', '.join(missing)} missing): pip install 'harken[cli]', "
            "or 'harken[server]' for the server too\n"
        )
        sys.exit(1)
    from harken.cli.app import app  # noqa: PLC0415 - typer is an extra

    app()
