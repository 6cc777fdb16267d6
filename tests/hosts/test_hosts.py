# SPDX-License-Identifier: Apache-2.0
"""Several hosts, and what can happen to them while recordings are in hand: nothing is lost, doubled or different."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from tests.hosts.chaos import Chaos, chaos
from tests.hosts.faults import FAULTS, Fault
from tests.hosts.network import Forbidden, check_allowed, enter_network

from harken.store import connect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def hosts() -> Iterator[Chaos]:
    """A cluster that has done everything once, undisturbed."""
    try:
        check_allowed()
    except Forbidden as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with chaos() as made:
        yield made


def test_undisturbed(hosts: Chaos) -> None:
    count = hosts.undisturbed
    assert (count.jobs, count.lost, count.ended_again, count.more) == (60, 0, 0, 0)
    assert (count.accounts_off, count.orphans, count.unfinished, count.refused) == (0, 0, 0, 0)
    assert count.windows > 80


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_nothing_is_lost(hosts: Chaos, fault: Fault) -> None:
    count = hosts.round(fault)
    assert (count.lost, count.ended_again, count.different, count.more) == (0, 0, (), 0), count
    assert (count.accounts_off, count.orphans, count.unfinished) == (0, 0, 0), count
    assert count.windows == hosts.undisturbed.windows


def test_what_a_vanished_machine_had_locked_is_free_again(hosts: Chaos) -> None:
    """In the middle of a transaction, holding what everybody needs who sends a recording."""
    cluster = hosts.cluster
    bystander = cluster.lan.host("bystander")
    with ThreadPoolExecutor(1, initializer=enter_network, initargs=(bystander,)) as there:
        engine = connect(cluster.database_url)
        connection = there.submit(engine.connect).result()
        there.submit(connection.execute, sa.text("LOCK TABLE harken_jobs IN EXCLUSIVE MODE")).result()
        bystander.cut()
        (recording, *_) = hosts.sent
        (coming,) = hosts.client.submit([recording])
        assert coming.result()
        bystander.heal()
        there.submit(connection.invalidate).result()
        engine.dispose()
    hosts.client.delete([coming.result()])
