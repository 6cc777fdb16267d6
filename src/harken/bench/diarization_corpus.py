# SPDX-License-Identifier: Apache-2.0
"""Recordings with their speakers written down, and readers whose speech meetings are made of.

A manifest's record may say, beside what :mod:`harken.bench.corpus` reads: ``rttm`` (path of the turns, beside the
manifest), ``segments`` (objects with start, end, speaker and text, where it is known who says which words),
``speakers`` (how many) and ``speaker`` (who, where it is one). Knows no engine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harken.audio.decode import Samples
from harken.bench import material
from harken.bench.corpus import records
from harken.errors import InvalidRequest
from harken.model import SAMPLE_RATE, Turn

_LIBRISPEECH = re.compile(r"(\d{2,5})-\d{4,6}-\d{4}")
_LJSPEECH = re.compile(r"LJ\d{3}-\d{4}")
_AN4 = re.compile(r"\w+-([mf][a-z]{3})-b")
_NUMBERED = re.compile(r"[-_]?\d+$")

_FRAME = SAMPLE_RATE // 100
_LOUD, _DEPTH, _SURE = 95, 32.0, 15.0
"""Percentile that counts as the loudness of speech, and decibels below it that are speech still: at most and at
least."""
_FLOOR, _OVER = 5, 6.0
"""Percentile that counts as the noise and decibels above it that are speech."""
_SILENT = -70.0
"""Decibels of full scale below which nothing is speech."""


@dataclass(frozen=True, slots=True)
class Said:
    """Who said what, and when, in seconds."""

    start: float
    end: float
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording whose speakers are known."""

    set: str
    path: Path
    duration: float
    """Seconds."""
    turns: tuple[Turn, ...]
    """Of the reference; speakers by whatever name it has for them."""
    said: tuple[Said, ...] = ()
    """Every word and whose it is; empty where nobody wrote it down."""

    @property
    def speakers(self) -> int:
        """How many speak."""
        return len({turn.speaker for turn in self.turns})


@dataclass(frozen=True, slots=True)
class Utterance:
    """One reader's speech, without silence at its ends."""

    reader: str
    samples: Samples
    text: str | None = None
    language: str | None = None

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / SAMPLE_RATE


def read_recordings(folder: Path, sets: Collection[str] = ()) -> list[Recording]:
    """The recordings of a corpus that have turns, in the order of sets and manifests.

    Raises:
        InvalidRequest: as :func:`harken.bench.corpus.read_corpus`, or an RTTM file is missing or is none.
    """
    found = []
    for name, beside, record in records(folder, sets):
        if not record.get("rttm"):
            continue
        path = beside / record["audio"]
        turns = read_rttm(beside / record["rttm"])
        said = tuple(
            Said(item["start"], item["end"], str(item["speaker"]), item["text"])
            for item in record.get("segments") or ()
        )
        seconds = record.get("duration") or len(material.read(path)) / SAMPLE_RATE
        found.append(Recording(name, path, seconds, turns, said))
    return found


def read_rttm(path: Path) -> tuple[Turn, ...]:
    """The turns of an RTTM file in the order in which they begin.

    Raises:
        InvalidRequest: there is no such file, or a line is not RTTM.
    """
    turns = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            parts = line.split()
            if parts[:1] == ["SPEAKER"]:
                start, seconds = float(parts[3]), float(parts[4])
                turns.append(Turn(start, start + seconds, parts[7]))
    except (OSError, ValueError, IndexError) as error:
        raise InvalidRequest(f"{path} cannot be read as RTTM: {error}") from error
    return tuple(sorted(turns, key=lambda turn: (turn.start, turn.end)))


def read_stm(path: Path) -> tuple[Said, ...]:
    """What an STM file says: file, channel, speaker, start, end, an optional label in ``<>``, words."""
    said = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(";;") or len(parts := line.split(maxsplit=5)) < 6:
            continue
        text = re.sub(r"^<[^>]*>\s*", "", parts[5])
        said.append(Said(float(parts[3]), float(parts[4]), parts[2], text))
    return tuple(said)


def read_utterances(folder: Path, sets: Collection[str] = ()) -> list[Utterance]:
    """What single readers say in a corpus, silence at its ends cut off.

    Who reads is the record's ``speaker``, or what the names of LibriSpeech, LJ Speech and AN4 say, or else the file's
    name without the number at its end. The same speech must not come twice, and never as two readers': sets that hold
    it in several formats are left out, and so is what was met before, by the bytes, the text, or the name of the file
    (or of LibriSpeech's utterance); two readers of one thing are one. Readers known by a file's name only may be one
    person: of those in a set who read the same language, the one who reads most is taken.
    """
    found = list(records(folder, sets))
    formats = {name for name, _, record in found if record.get("kind") == "format"}
    utterances = []
    readers: dict[str, str] = {}
    same: dict[str, str] = {}
    guessed: dict[str, tuple[str, str | None]] = {}
    for name, beside, record in found:
        if name in formats or not _single(record):
            continue
        path = beside / record["audio"]
        reader = str(record.get("speaker") or _reader(path.stem) or "")
        if not reader:
            reader = _NUMBERED.sub("", path.stem)
            guessed[reader] = (name, record.get("lang"))
        marks = _marks(path, record.get("text") or "")
        if met := [readers[mark] for mark in marks if mark in readers]:
            same.setdefault(reader, met[0])
            continue
        readers.update(dict.fromkeys(marks, reader))
        samples = trimmed(material.read(path))
        if len(samples):
            utterances.append(Utterance(reader, samples, record.get("text") or None, record.get("lang")))
    utterances = [replace(item, reader=same.get(item.reader, item.reader)) for item in utterances]
    doubtful = _all_but_longest(utterances, guessed)
    return [item for item in utterances if item.reader not in doubtful]


def trimmed(samples: Samples) -> Samples:
    """Without the silence at both ends."""
    spans = speech(samples)
    return samples[round(spans[0][0] * SAMPLE_RATE) : round(spans[-1][1] * SAMPLE_RATE)] if spans else samples[:0]


def speech(samples: Samples, gap: float = 0.25) -> list[tuple[float, float]]:
    """Where it is loud enough to be speech, in seconds; pauses shorter than ``gap`` closed. For clean recordings."""
    count = len(samples) // _FRAME
    if count < 3:
        return []
    power = np.square(samples[: count * _FRAME], dtype=np.float64).reshape(count, _FRAME).mean(axis=1)
    level = 10 * np.log10(np.convolve(power, np.ones(3) / 3, "same") + 1e-10)
    loudness = np.percentile(level, _LOUD)
    # Where there is no silence, what is least loud is speech too.
    threshold = max(_SILENT, loudness - _DEPTH, min(np.percentile(level, _FLOOR) + _OVER, loudness - _SURE))
    loud = np.flatnonzero(level > threshold)
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > round(gap * 100))
    starts, ends = loud[np.r_[0, breaks + 1]], loud[np.r_[breaks, len(loud) - 1]] + 1
    return [(float(start) / 100, float(end) / 100) for start, end in zip(starts, ends, strict=True)]


def by_reader(utterances: Iterable[Utterance]) -> dict[str, list[Utterance]]:
    """Readers in the order of their names, each with what he reads."""
    found: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        found.setdefault(utterance.reader, []).append(utterance)
    return dict(sorted(found.items()))


def _single(record: dict[str, Any]) -> bool:
    return record.get("kind", "speech") == "speech" and record.get("speakers") == 1 and not record.get("rttm")


def _marks(path: Path, text: str) -> set[str]:
    """What tells the same speech again."""
    match = _LIBRISPEECH.search(path.stem)
    name = match[0] if match else path.stem
    return {name, hashlib.sha256(path.read_bytes()).hexdigest(), "".join(filter(str.isalnum, text.lower()))} - {""}


def _all_but_longest(utterances: Iterable[Utterance], guessed: Mapping[str, object]) -> set[str]:
    """Of readers that share a group, those who do not read most in it."""
    seconds: dict[str, float] = {}
    for item in utterances:
        seconds[item.reader] = seconds.get(item.reader, 0.0) + item.seconds
    longest: dict[object, str] = {}
    for reader, group in guessed.items():
        if reader in seconds and seconds[reader] > seconds.get(longest.get(group, ""), 0.0):
            longest[group] = reader
    return {reader for reader, group in guessed.items() if longest.get(group) != reader}


def _reader(stem: str) -> str | None:
    if match := _LIBRISPEECH.search(stem):
        return match[1]
    if _LJSPEECH.fullmatch(stem):
        return "LJ"
    if match := _AN4.fullmatch(stem):
        return match[1]
    return None
