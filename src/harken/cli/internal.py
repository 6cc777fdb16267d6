# SPDX-License-Identifier: Apache-2.0
"""``python -m harken.cli.internal api|worker``: what the supervisor starts. Settings come from the environment."""

from __future__ import annotations

import sys

from harken.cli.processes import run
from harken.errors import HarkenError


def main(arguments: list[str]) -> int:
    """Run the part that is named; returns the exit status."""
    if arguments not in (["api"], ["worker"]):
        sys.stderr.write("usage: python -m harken.cli.internal api|worker\n")
        return 2
    try:
        return run("api" if arguments == ["api"] else "worker")
    except HarkenError as error:
        sys.stderr.write(f"harken: {error.message}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
