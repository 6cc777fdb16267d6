# SPDX-License-Identifier: Apache-2.0
"""Nouns as JSON types, and back."""

from __future__ import annotations

import enum
from dataclasses import fields
from typing import Any

from harken.model.jobs import StageKind
from harken.model.options import Options
from harken.model.speakers import Diarization, KnownVoice, Speaker, Turn
from harken.model.texts import Chat, Format, Message, Source, Summarise, TextResult, TextTask, Usage
from harken.model.transcript import (
    Coverage,
    Dropped,
    DropReason,
    Segment,
    Timing,
    Transcript,
    Window,
    WindowResult,
    Word,
)


def plain(value: Any) -> Any:
    """A dataclass of harken, and all in it, as JSON types."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    return value


def options_from(data: dict[str, Any]) -> Options:
    """The inverse of :func:`plain` for :class:`Options`; unknown keys are left out, so older rows stay readable."""
    known = {item.name for item in fields(Options)}
    kept = {key: value for key, value in data.items() if key in known}
    for name in ("vocabulary", "languages"):
        kept[name] = tuple(kept.get(name) or ())
    kept["known_voices"] = tuple(voice_from(voice) for voice in kept.get("known_voices") or ())
    for name, kind in (("summary", Summarise), ("formatting", Format)):
        kept[name] = kind(**kept[name]) if kept.get(name) else None
    return Options(**kept)


def voice_from(data: dict[str, Any]) -> KnownVoice:
    """The inverse of :func:`plain` for :class:`KnownVoice`."""
    return KnownVoice(data["name"], tuple(data["centroid"]))


def task_from(kind: StageKind, data: dict[str, Any]) -> TextTask:
    """The inverse of :func:`plain` for the text work of a kind of stage."""
    match kind:
        case StageKind.SUMMARISE:
            return Summarise(**data)
        case StageKind.FORMAT:
            return Format(**data)
        case StageKind.CHAT:
            return Chat(**{**data, "messages": tuple(Message(**message) for message in data["messages"])})
        case StageKind.DIARIZE:
            raise ValueError("telling speakers apart is no text work")


def text_result_from(data: dict[str, Any]) -> TextResult:
    """The inverse of :func:`plain` for :class:`TextResult`."""
    return TextResult(
        text=data["text"],
        model=data["model"],
        generated=data["generated"],
        sources=tuple(Source(**source) for source in data["sources"]),
        topics=tuple(data["topics"]),
        warnings=tuple(data["warnings"]),
        usage=Usage(**data["usage"]),
    )


def diarization_from(data: dict[str, Any]) -> Diarization:
    """The inverse of :func:`plain` for :class:`Diarization`."""
    return Diarization(
        turns=tuple(Turn(**turn) for turn in data["turns"]),
        speakers=tuple(Speaker(**{**one, "centroid": tuple(one["centroid"])}) for one in data["speakers"]),
    )


def segment_from(data: dict[str, Any]) -> Segment:
    """The inverse of :func:`plain` for :class:`Segment`."""
    return Segment(
        **{
            **data,
            "words": tuple(Word(**word) for word in data["words"]),
            "tokens": tuple(data["tokens"]),
        }
    )


def dropped_from(data: dict[str, Any]) -> Dropped:
    """The inverse of :func:`plain` for :class:`Dropped`."""
    return Dropped(**{**data, "reason": DropReason(data["reason"])})


def window_from(data: dict[str, Any]) -> Window:
    """The inverse of :func:`plain` for :class:`Window`."""
    return Window(
        start=data["start"],
        end=data["end"],
        speech=tuple((span[0], span[1]) for span in data["speech"]),
        channel=data["channel"],
    )


def result_from(data: dict[str, Any]) -> WindowResult:
    """The inverse of :func:`plain` for :class:`WindowResult`."""
    return WindowResult(
        window=window_from(data["window"]),
        segments=tuple(segment_from(item) for item in data["segments"]),
        dropped=tuple(dropped_from(item) for item in data["dropped"]),
        language=data["language"],
        language_probability=data["language_probability"],
    )


def transcript_from(data: dict[str, Any]) -> Transcript:
    """The inverse of :func:`plain` for :class:`Transcript`; one that was saved before speakers were known has none."""
    found = diarization_from({"turns": data.get("turns", ()), "speakers": data.get("speakers", ())})
    return Transcript(
        segments=tuple(segment_from(item) for item in data["segments"]),
        language=data["language"],
        duration=data["duration"],
        model=data["model"],
        language_probability=data["language_probability"],
        languages=tuple((item[0], item[1]) for item in data["languages"]),
        task=data["task"],
        dropped=tuple(dropped_from(item) for item in data["dropped"]),
        coverage=Coverage(**data["coverage"]),
        warnings=tuple(data["warnings"]),
        timing=Timing(**data["timing"]),
        turns=found.turns,
        speakers=found.speakers,
    )
