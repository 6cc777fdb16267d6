# SPDX-License-Identifier: Apache-2.0
"""A worker that loads models and lets them go as it is ordered: real children, the real base model, a real database."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import psutil
import pytest
import sqlalchemy as sa
from tests.worker.conftest import ENGLISH, MakeRig, Rig, eventually

from harken.ports import Executor
from harken.ports.residents import Resident, ResidentState
from harken.store import SqlResidents, SqlRoster, connect, preparing, upgrade
from harken.worker.holdings import Holding, Holdings
from harken.worker.process import Child, ChildDied
from harken.worker.protocol import ModelRef
from harken.worker.residency import Residency
from harken.worker.weights import Weights

WORKER = Executor("worker", "host", 1, 1)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[SqlResidents]:
    engine: sa.Engine = connect(tmp_path / "harken.sqlite")
    with preparing(engine):
        upgrade(engine)
    SqlRoster(engine).beat(WORKER)
    yield SqlResidents(engine)
    engine.dispose()


def _listening(board: SqlResidents, rig: Rig, weights: Weights, **how: object) -> Residency:
    residency = Residency(board, WORKER.id, rig.runtime.holdings, weights, interval=0.02, **how)  # type: ignore[arg-type]
    residency.start()
    return residency


def _says(board: SqlResidents, *residents: Resident) -> bool:
    return eventually(lambda: board.reported().get(WORKER.id) == list(residents))


def _loaded(processes: int, model: str = "base") -> Resident:
    return Resident(model, ResidentState.LOADED, processes)


def test_models_come_and_go_as_ordered(board: SqlResidents, make_rig: MakeRig, weights: Weights, clip: Path) -> None:
    rig = make_rig(children=2)
    before = rig.run(clip, "before", ENGLISH).text
    board.order("base", load=False)  # before the worker was there: not for it
    residency = _listening(board, rig, weights)
    assert _says(board, _loaded(2))

    memory = sum(psutil.Process(pid).memory_info().rss for pid in rig.engines())
    board.order("base", load=False)
    assert _says(board)
    assert sum(psutil.Process(pid).memory_info().rss for pid in rig.engines()) < memory - 100_000_000
    # Who needs it next loads it again, and hears the same.
    assert rig.run(clip, "after", ENGLISH).text == before
    assert _says(board, _loaded(1))
    board.order("base", load=True)
    assert _says(board, _loaded(2))

    # A child that comes up later holds what was ordered last.
    board.order("base", load=False)
    assert _says(board)
    known = set(rig.engines())
    psutil.Process(rig.engines()[0]).kill()
    assert eventually(lambda: len(rig.engines()) == 2 and set(rig.engines()) != known)
    assert _says(board)
    board.order("base", load=True)
    assert _says(board, _loaded(2))
    residency.stop()


def test_what_cannot_be_loaded_is_told(board: SqlResidents, make_rig: MakeRig, weights: Weights) -> None:
    rig = make_rig()
    residency = _listening(board, rig, weights, serves=lambda name: name != "small")
    board.order("small", load=True)
    board.order("tiny", load=True)
    told: dict[str, Resident] = {}

    def failed() -> bool:
        told.update({one.model: one for one in board.reported().get(WORKER.id, ())})
        return "tiny" in told and told["tiny"].state is ResidentState.FAILED

    assert eventually(failed)
    assert (set(told), told["base"], told["tiny"].processes) == ({"base", "tiny"}, _loaded(1), 0)
    assert "could not be fetched" in told["tiny"].detail
    board.order("tiny", load=False)
    assert _says(board, _loaded(1))
    residency.stop()


def test_a_model_that_kills_is_not_tried_again_and_again(make_rig: MakeRig, tmp_path: Path, clip: Path) -> None:
    rig = make_rig(children=2, natives="tests.worker.deadly_natives")
    holdings = rig.runtime.holdings
    assert eventually(lambda: holdings.told() == {"base": Holding(2)})
    holdings.load(ModelRef(tmp_path / "deadly"))
    assert eventually(lambda: "signal" in holdings.told().get("deadly", Holding()).refusal)
    assert eventually(lambda: holdings.told().get("base") == Holding(2))
    assert rig.run(clip, "job", ENGLISH).text
    assert holdings.told()["deadly"].ordered == 0
    assert rig.runtime.failure is None


class _Answering:
    """Stands in for a child: does something when it is asked."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def ask(self, request: object, timeout: float) -> None:
        self._act()

    def check(self) -> None:
        pass


def test_an_order_is_countermanded_while_another_child_obeys_it(tmp_path: Path) -> None:
    holdings, model = Holdings(2, ()), ModelRef(tmp_path / "deadly")

    def die() -> None:
        raise ChildDied("died")

    def meanwhile() -> None:
        with pytest.raises(ChildDied):
            holdings.obey(weak)

    weak, strong = (cast("Child", _Answering(act)) for act in (die, meanwhile))
    for child in (weak, strong):
        holdings.begin(child)
    holdings.load(model)
    holdings.obey(strong)
    assert holdings.keys(strong) == {model.key}
    assert holdings.told()["deadly"] == Holding(1)


def test_what_was_ordered_takes_the_place_of_what_was_not_used(make_rig: MakeRig, weights: Weights, clip: Path) -> None:
    rig = make_rig()
    holdings = rig.runtime.holdings
    base = weights.here()[0][0]
    for threads in (2, 3):
        holdings.load(dataclasses.replace(base, compute_type="float32", threads=threads))
    assert eventually(lambda: holdings.told()["base"].ordered == 0)
    assert rig.run(clip, "job", ENGLISH).text
    holdings.unload("base")
    assert eventually(lambda: holdings.told() == {})
