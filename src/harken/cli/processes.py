# SPDX-License-Identifier: Apache-2.0
"""The long-running processes: settings, logs, then the wiring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Literal

from harken import telemetry
from harken.cli.settings import load_settings, unknown_variables
from harken.config import Settings
from harken.errors import MissingExtra

Part = Literal["serve", "api", "worker"]


def run(part: Part, *, descriptor: int | None = None, **flags: object) -> int:
    """Run ``serve`` (the supervisor with everything under it), the ``api`` or a ``worker`` until it is told to stop.

    ``descriptor`` is a socket that the API shall serve, which listens already. Returns the exit status. Raises
    InvalidOption for a wrong setting, MissingExtra without the server's packages.
    """
    settings = load_settings(**flags)
    telemetry.configure(settings.log_level, settings.log_format)
    if part == "serve" or descriptor is None:
        for line in unknown_variables():
            logging.getLogger(__name__).warning(line)
    try:
        start = _entry(part, descriptor)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "harken":
            raise
        raise MissingExtra(
            f"the server needs {error.name}, which is not installed: pip install 'harken[server]'"
        ) from error
    return start(settings)


def _entry(part: Part, descriptor: int | None) -> Callable[[Settings], int]:
    """What runs the part. Imported late: each brings much that the others do not need, and some of it is an extra."""
    match part:
        case "serve":
            from harken.wiring.supervise import serve  # noqa: PLC0415

            return serve
        case "api":
            from harken.cli.api import run as run_api  # noqa: PLC0415

            return partial(run_api, descriptor=descriptor)
        case "worker":
            from harken.wiring.worker import run_worker  # noqa: PLC0415

            return run_worker
