# SPDX-License-Identifier: Apache-2.0
"""The pages on commands and settings are what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from harken.cli.reference import commands_page, settings_page
from harken.config import Settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`HARKEN_{name.upper()}`" in (DOCS / "settings.md").read_text(encoding="utf-8")
    assert Settings.model_fields[name].description


@pytest.mark.parametrize(("page", "made"), [("settings.md", settings_page), ("cli.md", commands_page)])
def test_the_pages_are_made_from_the_code(page: str, made: object) -> None:
    assert callable(made)
    assert (DOCS / page).read_text(encoding="utf-8") == made(), "run: python -m harken.cli.reference docs"
