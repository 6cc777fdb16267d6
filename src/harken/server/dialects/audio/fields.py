# SPDX-License-Identifier: Apache-2.0
"""From the form of a request to what it asks for. Every field is read, or refused by name."""

from __future__ import annotations

from dataclasses import dataclass

from harken.model import Format, Options
from harken.server.forms import Fields, ignored
from harken.server.multipart import Form

MODEL = "whisper_model"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for."""

    options: Options
    waits: bool
    """Whether the client holds the line for the text."""
    warnings: tuple[str, ...]


def read(form: Form) -> Ask:
    """What a form asks for. Raises InvalidOption, which names the field."""
    fields = Fields(form.fields)
    instruction = fields.text("instruction") or ""
    mode = fields.text("async_mode") or "0"
    if mode not in ("0", "1"):
        raise fields.bad("async_mode", "must be 0 (wait for the text) or 1 (ask for it later)")
    # Whoever wants clean paragraphs or notes of a talk wants to know who said what.
    options = Options(model=fields.text(MODEL), diarize=True, formatting=Format(instruction))
    return Ask(options, mode == "0", tuple(ignored((*fields.unread(), *form.ignored))))
