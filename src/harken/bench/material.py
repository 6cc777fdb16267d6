# SPDX-License-Identifier: Apache-2.0
"""What is measured with: recordings of a corpus and shifted copies of them, of the user, or the catalog's own clips.

Written files go into a folder the caller owns. Knows no engine.
"""

from __future__ import annotations

import collections
import itertools
import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harken.audio.decode import Decoder, Samples
from harken.bench.corpus import Item
from harken.errors import HarkenError, InvalidRequest
from harken.model import SAMPLE_RATE
from harken.models.store import ModelStore

CLIPS = 22
SHORT = (6.0, 10.0)
"""Seconds of a short clip."""
LONG = 120.0
"""Seconds of a long file at least."""
SHIFT = 208
"""Samples of silence by which a copy begins later than the one before: 13 ms, no multiple of any engine's frame."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording, and what is said in it where that is known."""

    path: Path
    duration: float
    """Seconds."""
    text: str | None = None
    language: str | None = None


def of_corpus(items: Sequence[Item]) -> tuple[Clip, list[Clip]]:
    """The shortest long recording, and short clips of the set that has most of them.

    Raises:
        InvalidRequest: the corpus has no such recordings.
    """
    timed = [(item, item.duration) for item in items if item.spoken and item.duration]
    long = min((pair for pair in timed if pair[1] >= LONG), key=lambda pair: pair[1], default=None)
    short = [pair for pair in timed if SHORT[0] <= pair[1] <= SHORT[1]]
    if long is None or not short:
        raise InvalidRequest(
            f"the corpus has no labelled recording of {LONG:.0f} s or more, or none of {SHORT[0]:.0f} to "
            f"{SHORT[1]:.0f} s; its manifests tell the durations"
        )
    [(most, _)] = collections.Counter(item.set for item, _ in short).most_common(1)
    clips = [_clip(item, seconds) for item, seconds in short if item.set == most][:CLIPS]
    return _clip(*long), clips


def shifted(items: Iterable[Item], copies: int, folder: Path) -> Iterator[Item]:
    """Each recording, and so many copies of it that begin a little later; a copy is gone when the next is asked for.

    What a recogniser makes of a doubtful word changes with where its frames fall, so one hearing is one throw of dice.

    Args:
        items: what to copy; one that cannot be decoded has no copies.
        copies: of each.
        folder: where the copies are.
    """
    for item in items:
        yield item
        if not copies:
            continue
        try:
            samples = read(item.path)
        except HarkenError:
            continue
        for number in range(1, copies + 1):
            path = folder / f"{item.path.stem}+{number}.wav"
            write(path, np.concatenate((np.zeros(number * SHIFT, np.float32), samples)))
            yield replace(item, path=path)
            path.unlink()


def of_folder(folder: Path) -> list[Clip]:
    """The first recordings of a folder, in the order of their names.

    Raises:
        InvalidRequest: it has no files.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file())[:CLIPS]
    if not paths:
        raise InvalidRequest(f"{folder} has no files")
    return [of_file(path) for path in paths]


def of_file(path: Path) -> Clip:
    """One recording; its duration is found by decoding it."""
    return Clip(path, read(path).shape[-1] / SAMPLE_RATE)


def built_in(store: ModelStore, folder: Path) -> tuple[Clip, list[Clip]]:
    """The catalog's clips joined and repeated to a long file, and cut into short ones; no references.

    Raises:
        ModelUnavailable: ``sample`` or ``moonshine-clips`` is not installed.
    """
    speech = built_in_speech(store)
    long = folder / "long.wav"
    write(long, np.tile(speech, 3))
    size, step = round(7.5 * SAMPLE_RATE), (len(speech) - round(7.5 * SAMPLE_RATE)) // (CLIPS - 1)
    clips = []
    for number in range(CLIPS):
        path = folder / f"clip{number:02}.wav"
        write(path, speech[number * step : number * step + size])
        clips.append(Clip(path, size / SAMPLE_RATE))
    return Clip(long, 3 * len(speech) / SAMPLE_RATE), clips


def built_in_speech(store: ModelStore) -> Samples:
    """Two read passages and a telephone call with pauses between, about 86 s."""
    clips, sample = store.path("moonshine-clips"), store.path("sample")
    pause = np.zeros(SAMPLE_RATE // 2, dtype=np.float32)
    paths = (clips / "two_cities.wav", clips / "beckett.wav", sample / "sample.wav")
    return np.concatenate(list(itertools.chain.from_iterable((read(path), pause) for path in paths)))


def read(path: Path) -> Samples:
    """All of a recording, mixed down: ``(samples,)`` at 16 kHz."""
    blocks = [np.zeros(0, np.float32)]
    with Decoder(path) as decoder:
        while (block := decoder.read()) is not None:
            blocks.append(block[0])
    return np.concatenate(blocks)


def write(path: Path, samples: Samples) -> None:
    """A 16-bit WAV file at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def _clip(item: Item, duration: float) -> Clip:
    return Clip(item.path, duration, item.text, item.language)
