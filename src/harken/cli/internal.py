# SPDX-License-Identifier: Apache-2.0
"""``python -m harken.cli.internal api [FD] | worker``: what the supervisor starts. Settings come from the environment.

``FD`` is the descriptor of a socket that listens already.
"""

from __future__ import annotations

import os
import sys

from harken.cli.processes import run
from harken.errors import HarkenError


def main(arguments: list[str]) -> int:
    """Run the part that is named; returns the exit status."""
    try:
        match arguments:
            case ["api"]:
                return run("api")
            case ["api", descriptor] if descriptor.isdecimal():
                return run("api", descriptor=int(descriptor))
            case ["worker"]:
                return run("worker")
            case _:
                sys.stderr.write("usage: python -m harken.cli.internal api [FD] | worker\n")
                return 2
    except HarkenError as error:
        sys.stderr.write(f"harken: {error}\n")
        # Another start would end the same way; the supervisor knows this status.
        return os.EX_CONFIG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
