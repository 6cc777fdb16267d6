# SPDX-License-Identifier: Apache-2.0
"""How a source hands over a model: where it puts files, how they are checked, how it reports.

Knows hashes and folders; knows neither a hub nor a package index, which are sources built on this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from harken.models.spec import ModelFile, ModelSpec

CHUNK = 1 << 18
"""Bytes read at a time: small enough for a lively progress bar."""

Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all (0 while unknown) and what is being done."""


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """What is left of a stream, piece by piece."""
    while chunk := stream.read(CHUNK):
        yield chunk


class SourceFailed(Exception):
    """A source could not deliver; the text says why, for people."""


class WrongBytes(SourceFailed):
    """A source delivered something else than what is expected."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file must be. Fields that are None are not known, and not checked."""

    size: int | None = None
    sha256: str | None = None
    git_blob: str | None = None
    """SHA-1 of the file as a git blob: what a hub says of files that it keeps in git itself."""

    @classmethod
    def of(cls, file: ModelFile) -> Expected:
        """What the catalog says of a file."""
        return cls(size=file.size, sha256=file.sha256)

    def check(self, path: Path) -> str:
        """The file's SHA-256, when the file is what it must be.

        Raises:
            WrongBytes: it is not.
        """
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            raise WrongBytes(f"{path.name} has {size} bytes instead of {self.size}")
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            if self.sha256 is not None and sha256 != self.sha256:
                raise WrongBytes(f"{path.name} has SHA-256 {sha256} instead of {self.sha256}")
            if self.git_blob is not None:
                stream.seek(0)
                digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
                for chunk in chunks(stream):
                    digest.update(chunk)
                if digest.hexdigest() != self.git_blob:
                    raise WrongBytes(f"{path.name} is not git blob {self.git_blob}")
        return sha256

    def met_by(self, path: Path) -> bool:
        """Whether ``path`` is there and is what it must be."""
        try:
            self.check(path)
        except (WrongBytes, FileNotFoundError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a model is put together, beside the models folder's entries and on the same file system.

    It outlives an interrupted fetch, so that the next one goes on from there.
    """

    root: Path

    @property
    def files(self) -> Path:
        """Finished files; becomes the model's folder."""
        return self.root / "files"

    @property
    def downloads(self) -> Path:
        """What is not finished yet, and archives."""
        return self.root / "downloads"

    @property
    def built(self) -> Path:
        """What is built out of the files; becomes the model's folder instead of them."""
        return self.root / "built"

    def bytes(self) -> int:
        """Bytes that are here already."""
        return sum(item.stat().st_size for item in self.root.rglob("*") if item.is_file())


class Meter:
    """Counts bytes for a progress callback."""

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self._done = 0
        self._total = 0

    def begin(self, total: int) -> None:
        """Start over: ``total`` bytes are to come."""
        self._done, self._total = 0, total

    def add(self, count: int, what: str) -> None:
        """``count`` more bytes are done (fewer, when it is negative)."""
        self._done += count
        self.say(what)

    def say(self, what: str) -> None:
        """Tell what is being done."""
        if self._progress is not None:
            self._progress(self._done, self._total, what)


class Source(Protocol):
    """Somewhere that models can be had."""

    @property
    def label(self) -> str:
        """What to call it in messages."""

    def offers(self, spec: ModelSpec) -> bool:
        """Whether it is worth asking for this model. Touches no network."""

    def deliver(self, spec: ModelSpec, workspace: Workspace, meter: Meter) -> str:
        """Put every file of ``spec``, checked, into ``workspace.files``; returns where they came from, for people.

        Files that are there already and right are left as they are.

        Raises:
            SourceFailed: it has not got them, or cannot be reached.
            WrongBytes: it delivered something else.
            OSError: a file could not be written.
        """
