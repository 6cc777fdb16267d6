# SPDX-License-Identifier: Apache-2.0
"""Where results are written: names that do not clash, and files that appear whole."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from harken.cli.inputs import Recording
from harken.text import FORMATS


def plan(recordings: Sequence[Recording], folder: Path, forms: Sequence[str]) -> list[dict[str, Path]]:
    """For every recording the path of each format.

    ``talk.mp3`` gives ``talk.srt``; where another recording would too, or where that is a recording itself, the whole
    name is kept: ``talk.mp3.srt``. No two paths are the same, and none is a recording's.
    """
    stems = Counter(stem(recording).casefold() for recording in recordings)
    taken = {str(recording.path.resolve()).casefold() for recording in recordings if recording.path is not None}
    planned: list[dict[str, Path]] = []
    for recording in recordings:
        for base in _names(recording, alone=stems[stem(recording).casefold()] == 1):
            paths = {form: folder / f"{base}{FORMATS[form].suffix}" for form in forms}
            keys = {str(path.resolve()).casefold() for path in paths.values()}
            if not keys & taken:
                taken |= keys
                planned.append(paths)
                break
    return planned


def stem(recording: Recording) -> str:
    """The recording's name without folder and suffix."""
    return Path(recording.name).stem


def _names(recording: Recording, *, alone: bool) -> Iterator[str]:
    if alone:
        yield stem(recording)
    whole = Path(recording.name).name
    yield whole
    number = 2
    while True:
        yield f"{whole}-{number}"
        number += 1


def write(path: Path, text: str) -> None:
    """Put ``text`` there, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        with part.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        raise
