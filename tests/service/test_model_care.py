# SPDX-License-Identifier: Apache-2.0
"""Looking after a server's models: fetches that are called off, and what is not deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest
from filelock import FileLock

from harken.errors import ModelInUse, UnknownModel
from harken.models.delivery import Meter, SourceFailed, Workspace
from harken.models.spec import ModelSpec
from harken.models.store import ModelStore
from harken.ports import Executor
from harken.ports.residents import ModelOrder, Resident, ResidentState
from harken.service import Admin, Models


class Notes:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def note(self, actor: str, action: str, subject: str = "", **_: object) -> None:
        self.told.append((actor, action, subject))


class Orders:
    """The board of orders in memory, and what two workers say, of whom one is dead."""

    def __init__(self) -> None:
        self.given: list[tuple[str, bool]] = []

    def order(self, model: str, *, load: bool) -> int:
        self.given.append((model, load))
        return len(self.given)

    def orders(self) -> list[ModelOrder]:
        return []

    def report(self, executor_id: str, residents: Sequence[Resident]) -> bool:
        raise AssertionError((executor_id, residents))

    def reported(self) -> dict[str, list[Resident]]:
        return {worker.id: [Resident("base", ResidentState.LOADED, 1)] for worker, _ in WORKERS}


WORKERS = ((Executor("alive", "host", 1, 1), True), (Executor("dead", "host", 2, 1), False))


class Slow:
    """A source that delivers a byte, waits to be told to go on, and then has nothing more."""

    label = "a slow source"

    def __init__(self) -> None:
        self.begun, self.on = threading.Event(), threading.Event()

    def offers(self, _: ModelSpec) -> bool:
        return True

    def deliver(self, spec: ModelSpec, workspace: Workspace, meter: Meter) -> str:
        (workspace.downloads / spec.files[0].name).write_bytes(b"x")
        meter.begin(2)
        meter.add(1, "a byte")
        self.begun.set()
        assert self.on.wait(240)
        meter.add(1, "another")
        raise SourceFailed("there was no more")


@pytest.fixture
def source() -> Slow:
    return Slow()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def models(source: Slow, notes: Notes, tmp_path: Path) -> Models:
    return Models(ModelStore(tmp_path, [source]), cast("Admin", notes), Orders(), lambda: list(WORKERS))


def _ended(models: Models, name: str) -> bool:
    fetch = models.model(name).fetch
    return fetch is not None and fetch.ended is not None


def _wait(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def test_a_fetch_is_called_off_and_keeps_what_came(models: Models, source: Slow, notes: Notes, tmp_path: Path) -> None:
    models.cancel_fetch("tiny", "me")  # there is none: nothing happens
    models.fetch("tiny", "me")
    assert source.begun.wait(120)
    models.cancel_fetch("tiny", "me")
    models.cancel_fetch("tiny", "me")
    stopping = models.model("tiny").fetch
    assert stopping is not None
    assert (stopping.cancelled, stopping.ended, stopping.done) == (True, None, 1)
    with pytest.raises(ModelInUse, match="is being fetched"):
        models.delete("tiny", "me")
    source.on.set()
    _wait(lambda: _ended(models, "tiny"))
    ended = models.model("tiny").fetch
    assert ended is not None
    assert (ended.cancelled, ended.error) == (True, None)
    assert [path.read_bytes() for path in tmp_path.glob(".partial/tiny/downloads/*")] == [b"x"]
    assert notes.told == [("me", "model.fetch", "tiny"), ("me", "model.cancel_fetch", "tiny")]
    # And it can be asked for again.
    again = models.fetch("tiny", "me")
    assert (again.cancelled, again.ended) == (False, None)
    _wait(lambda: _ended(models, "tiny"))
    failed = models.model("tiny").fetch
    assert failed is not None
    assert "could not be fetched" in (failed.error or "")
    assert models.delete("tiny", "me") == 1
    with pytest.raises(UnknownModel):
        models.cancel_fetch("nonsense", "me")


def test_a_fetch_that_waits_for_another_process_is_called_off(models: Models, tmp_path: Path) -> None:
    (tmp_path / ".locks").mkdir()
    with FileLock(tmp_path / ".locks" / "tiny.lock"):
        models.fetch("tiny", "me")
        _wait(lambda: "waiting for another process" in getattr(models.model("tiny").fetch, "doing", ""))
        models.cancel_fetch("tiny", "me")
        _wait(lambda: _ended(models, "tiny"))


def test_what_every_job_needs_is_not_deleted(models: Models) -> None:
    for name, why in (("base", "HARKEN_DEFAULT_MODEL"), ("silero-vad", "speech in every recording")):
        assert why in (models.model(name).needed or "")
        with pytest.raises(ModelInUse, match=why):
            models.delete(name, "me")
    assert models.model("campplus").needed is None


def test_only_workers_that_are_alive_hold_models(models: Models) -> None:
    assert [(name, [one.worker.id for one in held]) for name, held in models.held().items()] == [("base", ["alive"])]
