# SPDX-License-Identifier: Apache-2.0
"""From the fields of a form or a JSON object to what a request asks for: each is read, or refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harken.model import Options, Summarise
from harken.server.forms import Fields, ignored

WEBHOOK = "webhook_url"
_TIMES = "timestamps"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for."""

    options: Options
    webhook: str | None
    view: dict[str, Any]
    warnings: tuple[str, ...]


def read(fields: Fields, left_out: Iterable[str] = ()) -> Ask:
    """What is asked for; ``left_out`` are names that the upload already left out. Raises InvalidOption."""
    options = Options(
        model=fields.text("model"),
        language=fields.text("language"),
        diarize=fields.flag("diarization") or False,
        word_timestamps=fields.flag("word_timestamps") or False,
        summary=Summarise() if fields.flag("summary") else None,
        vocabulary=fields.many("vocabulary", split=True),
    )
    # Only how segments are told: without times the model itself would hear worse.
    view = {_TIMES: fields.flag(_TIMES) is not False}
    webhook = fields.text(WEBHOOK)
    return Ask(options, webhook, view, tuple(ignored((*fields.unread(), *left_out))))


def timed(view: Mapping[str, Any]) -> bool:
    """Whether segments are told with their times; those of a job of another dialect are."""
    return view.get(_TIMES) is not False
