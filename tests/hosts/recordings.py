# SPDX-License-Identifier: Apache-2.0
"""Sixty recordings of real speech, and what is asked of each: most of them seconds long, some of several chapters.

The same ones every time: what one run makes of them can be compared with what another does.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]

RATE = 16_000
SHORT, MIDDLE, LONG = 50, 6, 4
"""Recordings of each kind: one window of some seconds, two windows, and seven windows in two chapters."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording and what is asked of it."""

    name: str
    content: bytes = field(repr=False)
    """A WAV file."""
    seconds: float
    fields: Mapping[str, str]
    """Of the form that it is sent with."""


def recordings(clips: Mapping[str, Pcm]) -> list[Recording]:
    """All sixty, in the order in which they are sent: long ones first, so that the others come in their midst."""
    cities, call, beckett = clips["cities"], clips["call"], clips["beckett"]
    languages: list[dict[str, str]] = [{"language": "en"}, {}]
    found: list[Recording] = []

    def add(kind: str, parts: list[Pcm], **fields: str) -> None:
        number = len(found)
        asked = {**languages[number % 2], "response_format": "verbose_json", **fields}
        silence = np.zeros(7 * RATE, np.int16)
        samples = np.concatenate([piece for part in parts for piece in (part, silence)][:-1])
        found.append(Recording(f"{kind}-{number}.wav", _wav(samples), len(samples) / RATE, asked))

    for number in range(LONG):
        begins = [(number + 4 * step) % 40 for step in range(7)]
        add("long", [cities[begin * RATE : (begin + 4) * RATE] for begin in begins])
    for number in range(MIDDLE):
        ways: dict[str, str] = [
            {},
            {"diarize": "true"},
            {"timestamp_granularities[]": "word"},
            {"condition_on_previous_text": "true"},
        ][number % 4]
        first, second = call[(7 + number) * RATE : (12 + number) * RATE], beckett[number % 5 * RATE :][: 4 * RATE]
        add("middle", [first, second], **ways)
    for number in range(SHORT):
        source = (cities, call, beckett)[number % 3]
        begin = number * RATE // 2 % (len(source) - 4 * RATE)
        ways = [{}, {"temperature": "0.2"}, {"prompt": "Names: Darnay, Lorry."}, {"beam_size": "2"}][number % 4]
        # What is asked for here is the cheapest, for there are many and this is done for every fault.
        ways = {"language": "en", "beam_size": "1", **ways}
        add("short", [source[begin : begin + (2 + number % 3) * RATE]], **ways)
    return found


def _wav(samples: Pcm) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return target.getvalue()
