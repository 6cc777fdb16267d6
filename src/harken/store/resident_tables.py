# SPDX-License-Identifier: Apache-2.0
"""The tables of models in workers' memories. Knows no queries."""

from __future__ import annotations

import sqlalchemy as sa

from harken.store.tables import PREFIX, PlainKey, executors, metadata

model_orders = sa.Table(
    f"{PREFIX}model_orders",
    metadata,
    sa.Column("model", sa.String(255), primary_key=True),
    sa.Column("load", sa.Boolean, nullable=False),
    sa.Column("serial", sa.Integer, nullable=False),
)

residents = sa.Table(
    f"{PREFIX}residents",
    metadata,
    sa.Column("executor_id", PlainKey(64), sa.ForeignKey(executors.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("models", sa.Text, nullable=False),
)
