# SPDX-License-Identifier: Apache-2.0
"""What a request says of speakers: whether and how many, and whose voices are known.

OpenAI's ``known_speaker_names[]`` and ``known_speaker_references[]``, and fields of our own. Names alone are those of
enrolled voices. Knows the service for the voices, and no answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from harken.errors import InvalidOption, MediaError, UnusableVoice
from harken.model import KnownVoice, Options
from harken.pipeline.validation import MAX_NAME, MAX_SPEAKERS, MAX_VOICES
from harken.server.desk import Desk
from harken.server.forms import Fields

NAMES = "known_speaker_names"
REFERENCES = "known_speaker_references"
COUNTS = ("num_speakers", "min_speakers", "max_speakers")

MAX_REFERENCES = 4
REFERENCE_SECONDS = (1.2, 10.0)
"""What OpenAI takes; its documents say from 2 s."""
PADDING = 0.2
"""Seconds that encoders put around a sound."""
REFERENCE_BYTES = 12 * 1024 * 1024
"""Of all references together: four times 10 s of uncompressed stereo at 48 kHz, in base64."""

FORMATS = ("diarized_json", "rttm")
"""Formats that say nothing without speakers: they ask for them."""


@dataclass(frozen=True, slots=True)
class Speakers:
    """What a request says of speakers."""

    options: Mapping[str, Any]
    """Of our options those that concern them."""
    names: tuple[str, ...] = ()
    references: tuple[bytes, ...] = ()
    """Recordings, one for each of the names; none where the names are of enrolled voices."""
    digests: tuple[str, ...] = ()
    """SHA-256 of each of them."""


def read(fields: Fields, response_format: str) -> Speakers:
    """The fields about speakers; one of them asks for speakers as ``diarize`` does. Raises InvalidOption."""
    wanted = fields.flag("diarize")
    number = counts(fields)
    names = fields.many(NAMES)
    references = fields.many(REFERENCES)
    if len(names) > MAX_VOICES:
        raise fields.bad(NAMES, f"takes at most {MAX_VOICES} names")
    if len(set(names)) < len(names):
        raise fields.bad(NAMES, "has the same name twice")
    if any(len(name) > MAX_NAME for name in names):
        raise fields.bad(NAMES, f"takes names of at most {MAX_NAME} characters")
    if len(references) > MAX_REFERENCES:
        raise fields.bad(REFERENCES, f"takes at most {MAX_REFERENCES} references; enrol more voices at /v1/voices")
    told = {"response_format": response_format in FORMATS, NAMES: names, REFERENCES: references, **number}
    asking = [name for name, value in told.items() if value]
    if wanted is False and asking:
        raise fields.bad("diarize", f"is false, yet {asking[0]} asks for speakers")
    recordings = tuple(_recording(fields, number, url) for number, url in enumerate(references, 1))
    digests = tuple(hashlib.sha256(recording).hexdigest() for recording in recordings)
    return Speakers({"diarize": bool(wanted or asking), **number}, names, recordings, digests)


def _recording(fields: Fields, number: int, url: str) -> bytes:
    try:
        return fields.data_url(url)
    except ValueError as error:
        raise fields.bad(
            REFERENCES, f"must be data URLs (data:audio/wav;base64,...); number {number} {error}"
        ) from None


def counts(fields: Fields) -> dict[str, int | None]:
    """How many speakers there can be, by the names of our options. Raises InvalidOption."""
    return {name: fields.whole(name, 1, MAX_SPEAKERS) for name in COUNTS}


async def known(request: Request, desk: Desk, asked: Speakers, options: Options) -> Options:
    """``options`` with the voices of the references, once the whole form is there.

    Raises:
        InvalidOption: names and references do not match, a name is not enrolled, or a reference gives no voice.
    """
    names, references = asked.names, asked.references
    if references:
        if len(names) != len(references):
            raise InvalidOption(
                f"{len(names)} known_speaker_names[] and {len(references)} known_speaker_references[]: "
                "every reference needs its name, and every name its reference",
                param=f"{REFERENCES}[]",
            )
        voices = await desk.learn(_voices, desk, names, references)
        return options.but(known_voices=voices)
    if names:
        enrolled = {voice.name for voice in await desk.call(desk.service.voices, desk.caller(request).waiting())}
        for name in names:
            if name not in enrolled:
                raise InvalidOption(
                    f"no voice named {name!r} is enrolled; enrol it at /v1/voices, or send known_speaker_references[]",
                    param=f"{NAMES}[]",
                )
    return options


def _voices(desk: Desk, names: tuple[str, ...], references: tuple[bytes, ...]) -> tuple[KnownVoice, ...]:
    return tuple(
        KnownVoice(name, _centroid(desk, number, content))
        for number, (name, content) in enumerate(zip(names, references, strict=True), 1)
    )


def _centroid(desk: Desk, number: int, content: bytes) -> tuple[float, ...]:
    try:
        with desk.uploads.holding(content) as source:
            _check_length(desk.service.probe(source).duration)
            return desk.service.voiceprint(source)[1]
    except (MediaError, UnusableVoice) as error:
        raise InvalidOption(f"{REFERENCES}[], number {number}: {error.message}", param=f"{REFERENCES}[]") from error


def _check_length(seconds: float | None) -> None:
    shortest, longest = REFERENCE_SECONDS
    if seconds is not None and not shortest <= seconds <= longest + PADDING:
        raise UnusableVoice(f"it has {seconds:.1f} s, and must have {shortest:g} to {longest:g} s")
