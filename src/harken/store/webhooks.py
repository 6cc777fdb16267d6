# SPDX-License-Identifier: Apache-2.0
"""Deliveries in SQLite or PostgreSQL: rows that are due, taken by one courier at a time. Knows no network."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa

from harken.errors import DeliveryNotFound
from harken.model import Delivery, DeliveryState, Try, plain
from harken.ports import Outbox
from harken.store.base import Sql
from harken.store.database import writing
from harken.store.paging import cursor_of, place_of
from harken.store.tables import deliveries, receivers, webhook_secrets
from harken.store.vault import Vault

_WAITING = deliveries.c.state == DeliveryState.WAITING.value


class SqlWebhooks(Sql):
    """The :class:`~harken.ports.WebhookStore` of one database. Thread-safe.

    ``new_secret`` makes what messages are signed with, and ``vault`` keeps it.
    """

    def __init__(self, engine: sa.Engine, new_secret: Callable[[], str], vault: Vault, **rest: Any) -> None:
        super().__init__(engine, **rest)
        self._new_secret = new_secret
        self._vault = vault

    def take_due(self, now: float, lease: float, limit: int, without: Collection[str] = ()) -> list[Delivery]:
        """See :class:`~harken.ports.WebhookStore`."""
        due = (_WAITING, deliveries.c.due <= now, deliveries.c.owner.not_in(without))
        # A look costs less than a transaction that writes, and mostly there is nothing.
        if not self._read(sa.select(deliveries.c.id).where(*due).limit(1)):
            return []
        paused = sa.exists().where(
            receivers.c.owner == deliveries.c.owner,
            receivers.c.url == deliveries.c.url,
            receivers.c.paused.is_not(None),
        )
        chosen = sa.select(deliveries.c.id).where(*due).order_by(deliveries.c.due).limit(limit)
        chosen = chosen.with_for_update(skip_locked=True)
        with writing(self._engine) as connection:
            connection.execute(
                deliveries.update().where(*due, paused).values(state=DeliveryState.PAUSED.value, ended=now)
            )
            # Locked first and changed then: within one statement the choice may be made again for every row.
            ids = connection.execute(chosen).scalars().all()
            taken = connection.execute(
                deliveries.update().where(deliveries.c.id.in_(ids)).values(due=now + lease).returning(*deliveries.c)
            )
            return sorted(map(_from, taken), key=lambda delivery: delivery.created)

    def tried(self, delivery_id: str, attempt: Try, state: DeliveryState, due: float) -> None:
        """See :class:`~harken.ports.WebhookStore`."""
        with writing(self._engine) as connection:
            known = sa.select(deliveries).where(deliveries.c.id == delivery_id).with_for_update()
            row = connection.execute(known).one_or_none()
            if row is None:
                return
            if row.state == DeliveryState.DELIVERED.value:
                # By another courier, while this one was taken for dead.
                state, due = DeliveryState.DELIVERED, row.due
            tries = [*json.loads(row.tries), plain(attempt)]
            ended = None if state is DeliveryState.WAITING else attempt.at + attempt.seconds
            connection.execute(
                deliveries.update()
                .where(deliveries.c.id == delivery_id)
                .values(tries=json.dumps(tries), state=state.value, due=due, ended=ended)
            )

    def pause(self, owner: str, url: str, reason: str) -> None:
        """See :class:`~harken.ports.WebhookStore`."""
        values = {"paused": self._clock(), "reason": reason}
        with writing(self._engine) as connection:
            connection.execute(
                self._insert(receivers)
                .values(owner=owner, url=url, **values)
                .on_conflict_do_update(index_elements=["owner", "url"], set_=values)
            )

    def delivery(self, delivery_id: str, owner: str) -> Delivery:
        """See :class:`~harken.ports.WebhookStore`."""
        found = self._read(sa.select(deliveries).where(deliveries.c.id == delivery_id, deliveries.c.owner == owner))
        if not found:
            raise DeliveryNotFound(f"there is no delivery {delivery_id!r}")
        return _from(found[0])

    def deliveries(self, owner: str, limit: int, cursor: str | None = None, job_id: str | None = None) -> Outbox:
        """See :class:`~harken.ports.WebhookStore`."""
        order = (deliveries.c.created, deliveries.c.id)
        query = sa.select(deliveries).where(deliveries.c.owner == owner).limit(limit + 1)
        query = query.order_by(*(column.desc() for column in order))
        if job_id is not None:
            query = query.where(deliveries.c.job_id == job_id)
        if cursor is not None:
            query = query.where(sa.tuple_(*order) < sa.tuple_(*map(sa.literal, place_of(cursor))))
        found = [_from(row) for row in self._read(query)]
        last = found[limit - 1] if len(found) > limit else None
        return Outbox(tuple(found[:limit]), None if last is None else cursor_of(last.created, last.id))

    def replay(self, delivery_id: str, owner: str) -> Delivery:
        """See :class:`~harken.ports.WebhookStore`."""
        now = self._clock()
        again = {"state": DeliveryState.WAITING.value, "due": now, "ended": None}
        with writing(self._engine) as connection:
            row = connection.execute(
                deliveries.update()
                .where(deliveries.c.id == delivery_id, deliveries.c.owner == owner)
                .values(again)
                .returning(*deliveries.c)
            ).one_or_none()
            if row is None:
                raise DeliveryNotFound(f"there is no delivery {delivery_id!r}")
            connection.execute(
                receivers.update().where(receivers.c.owner == owner, receivers.c.url == row.url).values(paused=None)
            )
            connection.execute(
                deliveries.update()
                .where(
                    deliveries.c.owner == owner,
                    deliveries.c.url == row.url,
                    deliveries.c.state == DeliveryState.PAUSED.value,
                )
                .values(again)
            )
            return _from(row)

    def secrets(self, owner: str) -> list[str]:
        """See :class:`~harken.ports.WebhookStore`."""
        now = self._clock()
        query = (
            sa.select(webhook_secrets.c.secret)
            .where(
                webhook_secrets.c.owner == owner,
                webhook_secrets.c.expires.is_(None) | (webhook_secrets.c.expires > now),
            )
            .order_by(webhook_secrets.c.expires.is_(None).desc(), webhook_secrets.c.created.desc())
        )
        opened = [self._vault.open(row.secret, owner) for row in self._read(query)]
        found = [secret for secret in opened if secret is not None]
        if found:
            return found
        # Of two who find none, each makes one, and both of these count.
        sealed = self._vault.seal(self._new_secret(), owner)
        with writing(self._engine) as connection:
            connection.execute(webhook_secrets.insert().values(owner=owner, secret=sealed, created=now))
        return self.secrets(owner)

    def rotate(self, owner: str, overlap: float) -> str:
        """See :class:`~harken.ports.WebhookStore`. Secrets whose time is over are removed."""
        now = self._clock()
        secret = self._new_secret()
        of_owner = webhook_secrets.c.owner == owner
        with writing(self._engine) as connection:
            connection.execute(webhook_secrets.delete().where(of_owner, webhook_secrets.c.expires <= now))
            connection.execute(
                webhook_secrets.update()
                .where(of_owner, webhook_secrets.c.expires.is_(None))
                .values(expires=now + overlap)
            )
            sealed = self._vault.seal(secret, owner)
            connection.execute(webhook_secrets.insert().values(owner=owner, secret=sealed, created=now))
        return secret


def _from(row: sa.Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        owner=row.owner,
        job_id=row.job_id,
        url=row.url,
        state=DeliveryState(row.state),
        created=row.created,
        due=row.due,
        ended=row.ended,
        tries=tuple(Try(**one) for one in json.loads(row.tries)),
    )
