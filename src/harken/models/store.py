# SPDX-License-Identifier: Apache-2.0
"""The folder of installed models: fetch, find, verify, delete.

An installed model is ``<root>/<canonical name>/`` with its plain files and ``manifest.json``, which says size and
SHA-256 of each as they were when they were fetched, or built out of what was fetched. It appears there whole, by one
rename. Safe for several processes at once. Knows catalog entries and sources; knows nothing of how a model is run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from harken.errors import DiskFull, ModelCorrupt, ModelUnavailable
from harken.models import manifest, recipes
from harken.models.catalog import Catalog
from harken.models.delivery import Expected, Meter, Progress, Source, SourceFailed, Workspace, WrongBytes
from harken.models.manifest import Built, Installed, InstalledFile
from harken.models.spec import ModelSpec

_WAITING = 0.5
"""Seconds between two words of a fetch that waits for another process."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ModelStore:
    """The models of one folder."""

    def __init__(self, root: Path, sources: Sequence[Source] = (), catalog: Catalog | None = None) -> None:
        self.root = root
        self.catalog = catalog if catalog is not None else Catalog()
        self._sources = tuple(sources)

    def path(self, name: str) -> Path:
        """Folder of an installed model, by any of its names. Looks at names and sizes, not at every byte.

        Raises:
            UnknownModel: nobody knows the name.
            ModelUnavailable: it is not installed; the message says what is.
        """
        spec = self.catalog.entry(name)
        if self._installed(spec) is None:
            raise self._absent(spec)
        return self.root / spec.name

    def installed(self) -> list[Installed]:
        """What is installed, in the order of the catalog."""
        return [found for spec in self.catalog.entries() if (found := self._installed(spec)) is not None]

    def present(self) -> list[str]:
        """Names of what has a folder here, whole or not."""
        return [spec.name for spec in self.catalog.entries() if (self.root / spec.name).is_dir()]

    def fetch(self, name: str, progress: Progress | None = None) -> Path:
        """Have the model installed; returns its folder. Touches no network when it is installed already.

        Sources are asked in order until one delivers what is expected. What arrived before a connection broke is
        kept for the next try. Another process that fetches the same model is waited for.

        What ``progress`` raises ends the fetch.

        Raises:
            UnknownModel: nobody knows the name.
            ModelUnavailable: no source delivered it; the message says why not, and what is installed.
            ModelCorrupt: a source delivered something else, and none after it delivered the model.
            DiskFull: the disk has not enough room; nothing is left behind.
        """
        spec = self.catalog.entry(name)
        if self._installed(spec) is None:
            meter = Meter(progress)
            with self._disk(spec), self._lock(spec, meter):
                if self._installed(spec) is None:
                    self._fetch(spec, meter)
        return self.root / spec.name

    def verify(self, name: str) -> Installed:
        """Read every byte of an installed model, and hold it to the catalog and to what was fetched.

        Raises:
            ModelUnavailable: it is not installed.
            ModelCorrupt: some files are not what they must be; the message names them.
        """
        spec = self.catalog.entry(name)
        folder = self.root / spec.name
        found = manifest.read(folder)
        if found is None:
            raise self._absent(spec)
        wrong = list(found.flaws(folder, spec))
        if wrong:
            raise ModelCorrupt(
                f"model {spec.name} is damaged: {'; '.join(wrong)}. Delete it and fetch it again: "
                f"harken models delete {spec.name} && harken models fetch {spec.name}"
            )
        return found

    def delete(self, name: str) -> int:
        """Remove an installed model, and what is left of an interrupted fetch; returns the bytes freed.

        Raises:
            ModelUnavailable: nothing of it is there.
        """
        spec = self.catalog.entry(name)
        folder = self.root / spec.name
        workspace = self._workspace(spec)
        if not folder.exists() and not workspace.root.exists():
            raise ModelUnavailable(
                f"model {spec.name} is not installed; {self._others()}", param="model", detail=f"in {self.root}"
            )
        with self._lock(spec, Meter()):
            gone = workspace.root.with_name(f"{spec.name}.deleted")
            gone.parent.mkdir(exist_ok=True)
            freed = workspace.bytes()
            if folder.exists():
                # Renamed first, so that nobody finds half a model.
                shutil.rmtree(gone, ignore_errors=True)
                folder.rename(gone)
                freed += Workspace(gone).bytes()
                shutil.rmtree(gone)
            shutil.rmtree(workspace.root, ignore_errors=True)
        return freed

    def _fetch(self, spec: ModelSpec, meter: Meter) -> None:
        workspace = self._workspace(spec)
        self._check_room(spec, workspace)
        reasons: list[str] = []
        wrong = False
        for source in self._sources:
            if not source.offers(spec):
                continue
            workspace.files.mkdir(parents=True, exist_ok=True)
            workspace.downloads.mkdir(exist_ok=True)
            meter.say(f"asking {source.label}")
            try:
                origin = source.deliver(spec, workspace, meter)
                self._install(spec, workspace, origin, meter)
            except SourceFailed as error:
                wrong = wrong or isinstance(error, WrongBytes)
                reasons.append(f"{source.label}: {error}")
                continue
            return
        if wrong or not workspace.bytes():
            shutil.rmtree(workspace.root, ignore_errors=True)
        why = "; ".join(reasons) or "no source has it"
        raise (ModelCorrupt if wrong else ModelUnavailable)(
            f"model {spec.name} could not be fetched; {self._others()}", param="model", detail=f"{why}; in {self.root}"
        )

    def _install(self, spec: ModelSpec, workspace: Workspace, origin: str, meter: Meter) -> None:
        """The last check, the building, the manifest, and the rename that makes the model appear."""
        names = {file.name for file in spec.files}
        for left in workspace.files.iterdir():
            if left.name not in names:
                left.unlink()  # from an interrupted fetch of another version
        files = tuple(InstalledFile.of(workspace.files / file.name, Expected.of(file)) for file in spec.files)
        folder, installed = workspace.files, Installed(spec.name, origin, files)
        if spec.recipe is not None:
            meter.say(f"building {spec.recipe.file}")
            folder = workspace.built
            shutil.rmtree(folder, ignore_errors=True)  # from an interrupted build
            folder.mkdir()
            recipes.build(spec.recipe, spec, workspace.files, folder / spec.recipe.file)
            made = InstalledFile.of(folder / spec.recipe.file, Expected())
            installed = Installed(spec.name, origin, (made,), Built(spec.recipe.name, spec.recipe.version, files))
        manifest.write(folder, installed)
        for path in folder.iterdir():
            _flush(path)
        target = self.root / spec.name
        if target.exists():
            shutil.rmtree(target)  # another version, or a damaged one: otherwise there would be nothing to fetch
        folder.rename(target)
        _flush(self.root)
        shutil.rmtree(workspace.root, ignore_errors=True)

    def _installed(self, spec: ModelSpec) -> Installed | None:
        """The entry as installed, unless it is not there, not whole, or not the version that the catalog pins."""
        folder = self.root / spec.name
        found = manifest.read(folder)
        return found if found is not None and found.fits(spec) and found.whole(folder) else None

    def _absent(self, spec: ModelSpec) -> ModelUnavailable:
        return ModelUnavailable(
            f"model {spec.name} is not installed; {self._others()}. Fetch it with: harken models fetch {spec.name}",
            param="model",
            detail=f"in {self.root}",
        )

    def _others(self) -> str:
        names = [found.name for found in self.installed()]
        return f"installed: {', '.join(names)}" if names else "no model is installed"

    def _workspace(self, spec: ModelSpec) -> Workspace:
        return Workspace(self.root / ".partial" / spec.name)

    def _check_room(self, spec: ModelSpec, workspace: Workspace) -> None:
        free = shutil.disk_usage(self.root).free
        need = spec.size - workspace.bytes()
        if need > free:
            raise OSError(errno.ENOSPC, f"only {_megabytes(free)} are free", str(self.root))

    @contextlib.contextmanager
    def _lock(self, spec: ModelSpec, meter: Meter) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / ".locks").mkdir(exist_ok=True)
        lock = FileLock(self.root / ".locks" / f"{spec.name}.lock")
        timeout = 0.0
        while not lock.is_locked:
            try:
                lock.acquire(timeout=timeout)
            except Timeout:
                # Said again and again: whoever listens may call the fetch off.
                meter.say("waiting for another process that fetches it")
                timeout = _WAITING
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _disk(self, spec: ModelSpec) -> Iterator[None]:
        """Tell what a failed write means; a full disk gets back what it gave."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                shutil.rmtree(self._workspace(spec).root, ignore_errors=True)
                raise DiskFull(
                    f"not enough room for model {spec.name} ({_megabytes(spec.size)}): {error.strerror}. "
                    "Make room, or set HARKEN_MODELS_DIR to a folder on another disk",
                    detail=f"in {self.root}",
                ) from error
            raise ModelUnavailable(
                f"model {spec.name} cannot be written: {error.strerror}", detail=f"in {self.root}"
            ) from error


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def _flush(path: Path) -> None:
    """Have it on the disk before it counts as installed: after a power cut a file can be there and be empty."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
