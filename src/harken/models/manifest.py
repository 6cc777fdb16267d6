# SPDX-License-Identifier: Apache-2.0
"""What is written beside an installed model: its files as they were when they were installed.

A model that harken builds out of what it fetched has on record both what was built and what it was built from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harken.models.delivery import Expected, WrongBytes
from harken.models.spec import ModelSpec

NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file as it was when it was fetched or built."""

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path, expected: Expected) -> InstalledFile:
        """The file at ``path``. Raises WrongBytes when it is not what is expected."""
        sha256 = expected.check(path)
        return cls(path.name, path.stat().st_size, sha256)


@dataclass(frozen=True, slots=True)
class Built:
    """How the files of a built model came to be."""

    recipe: str
    version: int
    inputs: tuple[InstalledFile, ...]
    """What was fetched, verified, used and not kept."""


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed model."""

    name: str
    source: str
    """Where its files came from, for people."""
    files: tuple[InstalledFile, ...]
    built: Built | None = None
    """None for a model whose files are as they were fetched."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def fetched(self) -> tuple[InstalledFile, ...]:
        """The files that the catalog speaks of."""
        return self.files if self.built is None else self.built.inputs

    def fits(self, spec: ModelSpec) -> bool:
        """Whether this is the version that the catalog pins, made the way that this version of harken makes it."""
        if self._recipe() != (None if spec.recipe is None else (spec.recipe.name, spec.recipe.version)):
            return False
        have = {file.name: file.sha256 for file in self.fetched}
        return all(file.name in have and file.sha256 in {None, have[file.name]} for file in spec.files)

    def whole(self, folder: Path) -> bool:
        """Whether every file is in ``folder`` with its size. Reads no file."""
        try:
            return all((folder / file.name).stat().st_size == file.size for file in self.files)
        except FileNotFoundError:
            return False

    def flaws(self, folder: Path, spec: ModelSpec) -> Iterator[str]:
        """What is wrong with the files in ``folder``, every byte read, and with the version that they are."""
        for file in self.files:
            try:
                Expected(file.size, file.sha256).check(folder / file.name)
            except WrongBytes as error:
                yield str(error)
            except FileNotFoundError:
                yield f"{file.name} is missing"
        have = {file.name: file for file in self.fetched}
        for pinned in spec.files:
            if pinned.name not in have:
                yield f"{pinned.name} is missing"
            elif pinned.sha256 not in {None, have[pinned.name].sha256}:
                yield f"{pinned.name} has SHA-256 {have[pinned.name].sha256} instead of {pinned.sha256}"
        if spec.recipe is not None and self._recipe() != (spec.recipe.name, spec.recipe.version):
            yield f"{spec.recipe.file} was built in another way than this version of harken builds it"

    def _recipe(self) -> tuple[str, int] | None:
        return None if self.built is None else (self.built.recipe, self.built.version)


def read(folder: Path) -> Installed | None:
    """What is on record in ``folder``; None where nothing is that can be read."""
    try:
        data = json.loads((folder / NAME).read_text())
        built = data.get("built")
        return Installed(
            data["name"],
            data["source"],
            _files(data["files"]),
            None if built is None else Built(built["recipe"], built["version"], _files(built["inputs"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(folder: Path, installed: Installed) -> Path:
    """Put it on record in ``folder``."""
    path = folder / NAME
    path.write_text(json.dumps(asdict(installed), indent=2) + "\n")
    return path


def _files(data: list[dict[str, Any]]) -> tuple[InstalledFile, ...]:
    return tuple(InstalledFile(**file) for file in data)
