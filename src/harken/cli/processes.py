# SPDX-License-Identifier: Apache-2.0
"""The long-running processes: settings, logs, then the wiring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Literal

from harken import telemetry
from harken.cli.settings import load_settings, unknown_variables
from harken.config import Settings
from harken.errors import MissingExtra
from harken.telemetry import traces

Part = Literal["serve", "api", "worker"]

_NEEDED = ("alembic", "dbos", "fastapi", "multipart", "prometheus_client", "sqlalchemy", "uvicorn", "websockets")
"""What the extra `server` brings. Asked for before anything starts, not when the first process dies of it."""


def run(part: Part, *, descriptor: int | None = None, **flags: object) -> int:
    """Run ``serve`` (the supervisor with everything under it), the ``api`` or a ``worker`` until it is told to stop.

    ``descriptor`` is a socket that the API shall serve, which listens already. Returns the exit status. Raises
    InvalidOption for a wrong setting, MissingExtra without the server's packages, or those for traces.
    """
    settings = load_settings(**flags)
    telemetry.configure(settings.log_level, settings.log_format)
    if part == "serve" or descriptor is None:
        for line in unknown_variables():
            logging.getLogger(__name__).warning(line)
    absent = [name for name in _NEEDED if find_spec(name) is None]
    if absent:
        raise MissingExtra(f"the server needs {', '.join(absent)}, not installed here: pip install 'harken[server]'")
    if settings.traces:
        # The supervisor has nothing to trace, and yet learns here whether its processes can.
        traces.switch_on(part)
        if part == "serve":
            traces.close()
    try:
        return _entry(part, descriptor)(settings)
    finally:
        traces.close()


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
