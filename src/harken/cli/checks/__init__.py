# SPDX-License-Identifier: Apache-2.0
"""What ``harken doctor`` looks at: each check is a function of the settings that tells what it found."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harken.cli.checks import machine, reach
from harken.cli.checks.finding import Finding, Level, missing
from harken.cli.settings import load_settings
from harken.config import Settings
from harken.errors import HarkenError

__all__ = ["Finding", "Level", "examine"]

_CHECKS: tuple[Callable[[Settings], list[Finding]], ...] = (
    machine.variables,
    machine.extras,
    machine.native,
    machine.gpu,
    machine.models,
    reach.model_folder,
    reach.hub,
    reach.package_index,
    reach.data_folder,
    reach.database,
    reach.storage,
    reach.port,
)


def examine() -> list[Finding]:
    """Every finding, in the order to read them. The checks run side by side: some of them wait."""
    try:
        settings = load_settings()
    except HarkenError as error:
        return [machine.python(), missing("settings", error.message)]
    with ThreadPoolExecutor(len(_CHECKS)) as pool:
        found = list(pool.map(lambda check: check(settings), _CHECKS))
    return [machine.python(), *(finding for findings in found for finding in findings)]
