# SPDX-License-Identifier: Apache-2.0
"""The tables of who calls: accounts, keys, credits, sessions, the audit log, and what limits count with.

As :mod:`harken.store.tables`, to whose metadata they belong. Knows no queries.
"""

from __future__ import annotations

import sqlalchemy as sa

from harken.store.tables import PREFIX, Plain, PlainKey, metadata

_COUNTING = sa.BigInteger().with_variant(sa.Integer, "sqlite")

accounts = sa.Table(
    f"{PREFIX}accounts",
    metadata,
    sa.Column("id", Plain, primary_key=True),
    sa.Column("name", Plain, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("metered", sa.Boolean, nullable=False),
    sa.Column("closed", sa.Double),
)

keys = sa.Table(
    f"{PREFIX}keys",
    metadata,
    sa.Column("id", PlainKey(36), primary_key=True),
    sa.Column("account", Plain, sa.ForeignKey(accounts.c.id), nullable=False, index=True),
    sa.Column("name", Plain, nullable=False),
    sa.Column("prefix", PlainKey(16), nullable=False, unique=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("expires", sa.Double),
    sa.Column("last_used", sa.Double),
    sa.Column("revoked", sa.Double),
)

# Entries outlive the jobs that they tell of. One piece of work has one entry of each kind: no race counts it twice.
credit_entries = sa.Table(
    f"{PREFIX}credits",
    metadata,
    sa.Column("id", _COUNTING, primary_key=True, autoincrement=True),
    sa.Column("account", Plain, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("job_id", PlainKey(36), index=True),
    sa.Column("work", PlainKey(36)),
    sa.Column("note", Plain, nullable=False),
    sa.UniqueConstraint("work", "kind"),
    sa.Index(None, "account", "id", "amount"),
)

# What outlives the jobs that were counted.
usage = sa.Table(
    f"{PREFIX}usage",
    metadata,
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("account", Plain, primary_key=True),
    sa.Column("completed", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("cancelled", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
)

sessions = sa.Table(
    f"{PREFIX}sessions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("expires", sa.Double, nullable=False),
    sa.Column("address", Plain, nullable=False),
)

audit = sa.Table(
    f"{PREFIX}audit",
    metadata,
    sa.Column("id", _COUNTING, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("actor", Plain, nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", Plain, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)

rates = sa.Table(
    f"{PREFIX}rates",
    metadata,
    sa.Column("subject", Plain, primary_key=True),
    sa.Column("full_at", sa.Double, nullable=False),
)

slots = sa.Table(
    f"{PREFIX}slots",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("subject", Plain, nullable=False, index=True),
    sa.Column("until", sa.Double, nullable=False),
)

facts = sa.Table(
    f"{PREFIX}facts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", Plain, nullable=False),
)
