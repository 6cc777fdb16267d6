# SPDX-License-Identifier: Apache-2.0
"""Which models workers hold in memory, and orders to load them and to let them go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "harken_model_orders",
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("load", sa.Boolean, nullable=False),
        sa.Column("serial", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_harken_model_orders"),
    )
    op.create_table(
        "harken_residents",
        sa.Column("executor_id", sa.String(64), nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("executor_id", name="pk_harken_residents"),
        sa.ForeignKeyConstraint(
            ["executor_id"],
            ["harken_executors.id"],
            name="fk_harken_residents_executor_id_harken_executors",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("harken_residents")
    op.drop_table("harken_model_orders")
