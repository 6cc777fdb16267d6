# SPDX-License-Identifier: Apache-2.0
"""Orders to load models, and what workers say of those that they hold, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from harken.ports import Executor
from harken.ports.residents import ModelOrder, Resident, ResidentState
from harken.store import SqlResidents, SqlRoster

ONE, OTHER = Executor("one", "host", 1, 1), Executor("other", "host", 2, 2)


def test_each_model_has_its_last_order(engine: sa.Engine) -> None:
    board = SqlResidents(engine)
    assert board.orders() == []
    assert [board.order("base", load=load) for load in (True, False, True, True)] == [1, 2, 3, 4]
    assert board.order("tiny", load=False) == 1
    assert set(board.orders()) == {ModelOrder("base", True, 4), ModelOrder("tiny", False, 1)}


def test_orders_of_the_same_moment_have_serials_of_their_own(engine: sa.Engine) -> None:
    board = SqlResidents(engine)
    with ThreadPoolExecutor(8) as pool:
        serials = list(pool.map(lambda _: board.order("base", load=True), range(16)))
    assert sorted(serials) == list(range(1, 17))


def test_workers_tell_what_they_hold_until_they_leave(engine: sa.Engine) -> None:
    board, roster = SqlResidents(engine), SqlRoster(engine)
    held = [Resident("base", ResidentState.LOADED, 2), Resident("tiny", ResidentState.FAILED, 0, "it is gone \N{OWL}")]
    assert not board.report(ONE.id, held), "nobody knows this worker"
    for worker in (ONE, OTHER):
        roster.beat(worker)
    assert board.report(ONE.id, held[:1])
    assert board.report(ONE.id, held)
    assert board.report(OTHER.id, [])
    assert board.reported() == {ONE.id: held, OTHER.id: []}
    roster.beat(ONE)
    assert board.reported()[ONE.id] == held
    roster.leave(ONE.id)
    assert board.reported() == {OTHER.id: []}
