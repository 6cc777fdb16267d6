# SPDX-License-Identifier: Apache-2.0
"""Which model a job needs, and having it on this machine before anything of the job runs.

A download runs beside everything else and only the jobs that need the model wait for it. Knows no child.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from pathlib import Path

from harken.errors import JobCancelled, ModelUnavailable
from harken.model import Options
from harken.models.catalog import Catalog
from harken.models.parts import DETECTOR, SpeakerFiles, detector, speaker_files
from harken.models.store import ModelStore
from harken.worker.protocol import ModelRef


@dataclass(frozen=True, slots=True)
class Hardware:
    """What models run on."""

    device: str = "auto"
    compute_type: str = "default"
    threads: int = 1
    """Of each child; requests and presets may ask for less, not for more."""


class Weights:
    """The installed models, and those that are on their way."""

    def __init__(
        self, catalog: Catalog, store: ModelStore, hardware: Hardware, wanted: Sequence[str | None] = (None,)
    ) -> None:
        """Look after the models of a store; ``wanted`` are names of those that most will ask for, None the default."""
        self._wanted = wanted
        self._catalog = catalog
        self._store = store
        self._hardware = hardware
        self._lock = threading.Lock()
        self._fetching: dict[str, Future[Path]] = {}

    def model(self, options: Options, cancelled: Callable[[], bool], poll: float) -> ModelRef:
        """The model that ``options`` name, fetched first if need be.

        Raises:
            JobCancelled: ``cancelled``, asked every ``poll`` seconds, said so. The download goes on.
            UnknownModel, ModelUnavailable, ModelCorrupt, DiskFull: it cannot be had.
        """
        resolved = self._catalog.resolve(options.model)
        preset = resolved.preset
        asked = options.cpu_threads or (preset.cpu_threads if preset is not None else None)
        return ModelRef(
            folder=self._folder(resolved.spec.name, cancelled, poll),
            engine=resolved.spec.engine,
            device=self._hardware.device,
            compute_type=(preset.compute_type if preset is not None else None) or self._hardware.compute_type,
            threads=min(asked or self._hardware.threads, self._hardware.threads),
        )

    def detector(self, cancelled: Callable[[], bool], poll: float) -> Path:
        """The speech detector's file. Raises as :meth:`model`."""
        return detector(lambda name: self._folder(name, cancelled, poll))

    def speakers(self, cancelled: Callable[[], bool], poll: float) -> SpeakerFiles:
        """The models with which voices are told apart. Raises as :meth:`model`."""
        return speaker_files(lambda name: self._folder(name, cancelled, poll))

    def here(self) -> tuple[list[ModelRef], Path | None]:
        """The models that most will ask for and the speech detector, as far as they are on this machine already."""
        models = [
            self.model(Options(model=name), lambda: False, 1.0)
            for name in self._wanted
            if self._is_here(self._catalog.resolve(name).spec.name)
        ]
        return models, detector(self._store.path) if self._is_here(DETECTOR) else None

    def _is_here(self, name: str) -> bool:
        try:
            self._store.path(name)
        except ModelUnavailable:
            return False
        return True

    def _folder(self, name: str, cancelled: Callable[[], bool], poll: float) -> Path:
        try:
            return self._store.path(name)
        except ModelUnavailable:
            fetching = self._fetch(name)
        while True:
            try:
                return fetching.result(poll)
            except NotYet:
                if fetching.done():
                    raise
                if cancelled():
                    raise JobCancelled(f"cancelled while model {name} was fetched") from None

    def _fetch(self, name: str) -> Future[Path]:
        with self._lock:
            future = self._fetching.get(name)
            if future is not None and not future.done():
                return future
            future = self._fetching[name] = Future()
        threading.Thread(target=self._run, args=(name, future), name=f"fetch-{name}", daemon=True).start()
        return future

    def _run(self, name: str, future: Future[Path]) -> None:
        try:
            future.set_result(self._store.fetch(name))
        except Exception as error:  # noqa: BLE001 - whoever waits for the download gets it
            future.set_exception(error)
