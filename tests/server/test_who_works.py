# SPDX-License-Identifier: Apache-2.0
"""What readiness says of workers: how many there are, and what nobody does."""

from __future__ import annotations

import pytest

from harken.errors import HarkenError
from harken.model import Lane
from harken.ports import Executor
from harken.wiring.api import who_works

ANY = Executor("any", "here", 1, 1)
SMALL = Executor("small", "here", 2, 1, models=("small",))
TEXTS = Executor("texts", "here", 3, 1, lanes=(Lane.TEXT,))


def test_nobody() -> None:
    with pytest.raises(HarkenError, match="harken worker"):
        who_works([], set(), "base")


@pytest.mark.parametrize(
    ("alive", "waited_for", "told"),
    [
        ([ANY], {(Lane.BATCH, "small"), (Lane.TEXT, None)}, "1 alive"),
        ([ANY, SMALL], {(Lane.BATCH, "tiny")}, "2 alive"),
        ([SMALL], set(), "1 alive; none takes interactive, batch for the default model"),
        (
            [SMALL, TEXTS],
            {(Lane.BATCH, "tiny"), (Lane.INTERACTIVE, None), (Lane.BATCH, "small")},
            "2 alive; none takes interactive, batch for the default model; jobs wait that none takes: batch for tiny",
        ),
        (
            [TEXTS],
            {(Lane.INTERACTIVE, None), (Lane.TEXT, None)},
            "1 alive; none takes interactive, batch for the default model; jobs wait that none takes: interactive",
        ),
    ],
)
def test_what_nobody_does(alive: list[Executor], waited_for: set[tuple[Lane, str | None]], told: str) -> None:
    assert who_works(alive, waited_for, "base") == told
