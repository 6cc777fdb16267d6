# SPDX-License-Identifier: Apache-2.0
"""The long-running processes: settings, logs, then the wiring."""

from __future__ import annotations

import logging
from typing import Literal

from harken import telemetry
from harken.cli.settings import load_settings, unknown_variables
from harken.errors import MissingExtra

Part = Literal["serve", "api", "worker"]


def run(part: Part, **flags: object) -> int:
    """Run ``serve`` (the supervisor with everything under it), the ``api`` or a ``worker`` until it is told to stop.

    Returns the exit status. Raises InvalidOption for a wrong setting, MissingExtra without the server's packages.
    """
    settings = load_settings(**flags)
    telemetry.configure(settings.log_level, settings.log_format)
    for line in unknown_variables():
        logging.getLogger(__name__).warning(line)
    try:
        from harken import wiring  # noqa: PLC0415 - what it imports is an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "harken":
            raise
        raise MissingExtra(
            f"the server needs {error.name}, which is not installed: pip install 'harken[server]'"
        ) from error
    start = {"serve": wiring.serve, "api": wiring.run_api, "worker": wiring.run_worker}[part]
    return start(settings) or 0
