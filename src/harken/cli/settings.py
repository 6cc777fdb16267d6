# SPDX-License-Identifier: Apache-2.0
"""Settings for a command: the environment, and flags over it; mistakes told in plain words.

A flag is put into the environment, so that the processes a command starts have the same settings.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from harken.config import Settings
from harken.errors import InvalidOption

PREFIX = "HARKEN_"


def load_settings(**flags: object) -> Settings:
    """The settings in force; a flag that is None was not given.

    Raises:
        InvalidOption: a variable or flag is not valid; the message names every one that is not, and never shows a
            value, which may be a secret.
    """
    for name, value in flags.items():
        if value is not None:
            os.environ[PREFIX + name.upper()] = str(value)
    try:
        return Settings()  # type: ignore[call-arg,unused-ignore]  # every field has a default
    except ValidationError as error:
        raise InvalidOption("; ".join(map(_plainly, error.errors()))) from None
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        raise InvalidOption(f"{PREFIX}{field[1].upper() if field else '*'} should be valid JSON") from None


def _plainly(mistake: ErrorDetails) -> str:
    message = mistake["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not mistake["loc"]:
        return message
    return f"{PREFIX}{str(mistake['loc'][0]).upper()} {message}"


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A line for every ``HARKEN_*`` variable that is no setting, with the setting it may be meant for."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    lines: list[str] = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            lines.append(f"{name} is no setting" + (f"; {near[0]} is" if near else ""))
    return lines
