# SPDX-License-Identifier: Apache-2.0
"""Figures that are to be reached, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.text import Text


@dataclass(frozen=True, slots=True)
class Target:
    """A figure to be reached by the default mode, and what was measured."""

    name: str
    wanted: str
    measured: str
    reached: bool


def target_lines(found: Iterable[Target]) -> Text:
    """Each target with what was measured, for people."""
    lines = Text("Targets of the default mode\n", style="bold")
    for target in found:
        verdict, style = ("reached      ", "green") if target.reached else ("NOT REACHED  ", "bold red")
        lines.append(verdict, style=style)
        lines.append(f"{target.name}: wanted {target.wanted}, measured {target.measured}\n", style="not bold")
    return lines
