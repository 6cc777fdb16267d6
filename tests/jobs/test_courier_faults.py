# SPDX-License-Identifier: Apache-2.0
"""Webhooks that cannot be drawn, couriers that meet, secrets as they are kept, what is forgotten; on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from tests.jobs.house import House
from tests.jobs.test_webhooks import ME, URL, Post, post

from harken.model import AuditEntry, DeliveryState, Try
from harken.ports import Receipt
from harken.service import Ending
from harken.store import SqlAuditLog, SqlWebhooks, Vault
from harken.store.tables import receivers, webhook_secrets

__all__ = ["post"]


def broken(_: Ending) -> bytes:
    raise ZeroDivisionError


def test_a_message_that_cannot_be_drawn_is_tried_and_given_up(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    job = post.ended()
    states: list[DeliveryState] = []
    while post.due(job).state is DeliveryState.WAITING:
        post.now = max(post.now, post.due(job).due)
        states += [post.webhooks.deliver(one, broken, bool) for one in post.webhooks.take_due(10)]
        assert len(states) < 20, "for ever"
    assert states[-1] is DeliveryState.FAILED
    done = post.due(job)
    assert len(done.tries) == len(states) > 1
    assert "could not draw the message" in (done.tries[0].reason or "")
    caplog.clear()
    post.ended()
    post.answers = [Receipt(DeliveryState.DELIVERED, 200)]
    assert post.round() == [DeliveryState.DELIVERED], "the receiver is not to blame"


def test_tries_of_couriers_that_meet_are_all_noted(post: Post) -> None:
    job = post.ended()
    delivery = post.due(job)
    tries = [Try(float(number), 0.1, "waiting") for number in range(24)]

    def note(attempt: Try) -> None:
        post.store.tried(delivery.id, attempt, DeliveryState.WAITING, 5.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, tries))
    assert sorted(one.at for one in post.due(job).tries) == [one.at for one in tries]
    post.store.tried(delivery.id, replace(tries[0], outcome="delivered"), DeliveryState.DELIVERED, 5.0)
    post.store.tried(delivery.id, tries[1], DeliveryState.WAITING, 99.0)
    assert post.due(job).state is DeliveryState.DELIVERED, "a courier that was taken for dead does not send it again"


def test_couriers_take_no_more_than_they_can_carry(post: Post) -> None:
    jobs = [post.ended() for _ in range(12)]
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(lambda _: post.webhooks.take_due(2), range(8)))
    assert max(map(len, taken)) == 2
    assert sorted(one.job_id for some in taken for one in some) == sorted(job.id for job in jobs)


def test_secrets_are_sealed_and_old_ones_open(post: Post) -> None:
    engine = post.house.engine
    with engine.begin() as connection:
        connection.execute(webhook_secrets.insert().values(owner="me", secret="whsec_of_old", created=1.0))
    assert post.webhooks.secrets(ME) == ["whsec_of_old"]
    fresh = post.webhooks.rotate(ME)
    assert post.webhooks.secrets(ME) == [fresh, "whsec_of_old"]
    with engine.connect() as connection:
        kept = connection.execute(sa.select(webhook_secrets.c.secret)).scalars().all()
    assert not [one for one in kept if fresh in one or fresh.removeprefix("whsec_") in one]
    lost = SqlWebhooks(engine, lambda: "another", Vault(b"another secret"), clock=lambda: post.now)
    assert lost.secrets("me") == ["whsec_of_old"]


def test_a_vault_opens_for_its_owner_and_secret_alone() -> None:
    vault = Vault(b"a secret")
    sealed = vault.seal("whsec_x", "me")
    assert sealed != vault.seal("whsec_x", "me"), "nobody sees that two are the same"
    assert "whsec" not in sealed
    assert vault.open(sealed, "me") == "whsec_x"
    assert (vault.open(sealed, "you"), Vault(b"b").open(sealed, "me")) == (None, None)
    assert vault.open(sealed[:-4] + "AAA=", "me") is None


def test_records_are_forgotten(post: Post, house: House) -> None:
    log = SqlAuditLog(house.engine, clock=lambda: post.now)
    post.now = 100.0
    log.note(AuditEntry("admin", "old"))
    post.store.pause("me", "https://gone.example", "dead")
    post.store.pause("me", URL, "dead")
    post.now = 200.0
    log.note(AuditEntry("admin", "new"))
    post.store.pause("me", "https://late.example", "dead")
    post.ended()
    house.store.forget_records(150.0, 150.0)
    assert [entry.action for entry in log.entries(10)] == ["new"]
    with house.engine.connect() as connection:
        left = connection.execute(sa.select(receivers.c.url)).scalars().all()
    assert sorted(left) == sorted(["https://late.example", URL]), "what is still to be told counts"
