# SPDX-License-Identifier: Apache-2.0
"""Which recordings a command line names: files, folders of files, standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harken.errors import InvalidOption, NotMedia

MEDIA_SUFFIXES = frozenset(
    {
        ".3gp", ".aac", ".ac3", ".aif", ".aiff", ".amr", ".asf", ".au", ".avi", ".caf", ".flac", ".flv", ".m2ts",
        ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf",
        ".oga", ".ogg", ".ogv", ".opus", ".spx", ".ts", ".tta", ".vob", ".w64", ".wav", ".weba", ".webm", ".wma",
        ".wmv", ".wv",
    }
)  # fmt: skip
"""What is taken from a folder; a file that is named itself may be called anything."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Something to transcribe."""

    name: str
    """For people, and for the names of what is written."""
    path: Path | None
    """None is standard input."""

    def source(self) -> Path | BinaryIO:
        """What the library reads. Raises NotMedia for a path that is no file."""
        if self.path is None:
            return sys.stdin.buffer
        if not self.path.is_file():
            raise NotMedia("not a file" if self.path.exists() else "no such file")
        return self.path


def find(arguments: Sequence[str]) -> list[Recording]:
    """The recordings that the arguments name, each once, in order; a folder stands for the media files below it.

    Raises InvalidOption for a folder with nothing in it, and for standard input that is a keyboard.
    """
    found: dict[Path | None, Recording] = {}
    for argument in arguments:
        if argument == "-":
            if sys.stdin.isatty():
                raise InvalidOption("nothing is piped into standard input", param="files")
            found.setdefault(None, Recording("stdin", None))
            continue
        path = Path(argument)
        for item in _below(path) if path.is_dir() else [path]:
            found.setdefault(item.resolve(), Recording(str(item), item))
    return list(found.values())


def _below(folder: Path) -> list[Path]:
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in MEDIA_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise InvalidOption(f"{folder} has no media files in it", param="files")
    return files
