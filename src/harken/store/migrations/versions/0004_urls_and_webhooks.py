# SPDX-License-Identifier: Apache-2.0
"""Recordings that come from a URL, and telling a URL how a job ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the tables."""
    op.add_column("harken_jobs", sa.Column("source", sa.Text))
    op.add_column("harken_jobs", sa.Column("webhook", sa.Text))
    op.create_table(
        "harken_deliveries",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("due", sa.Double, nullable=False),
        sa.Column("ended", sa.Double),
        sa.Column("tries", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["harken_jobs.id"], name="fk_harken_deliveries_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_harken_deliveries"),
    )
    op.create_index("ix_harken_deliveries_job_id", "harken_deliveries", ["job_id"])
    op.create_index("ix_harken_deliveries_state_due", "harken_deliveries", ["state", "due"])
    op.create_index("ix_harken_deliveries_owner_created_id", "harken_deliveries", ["owner", "created", "id"])
    op.create_table(
        "harken_receivers",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("paused", sa.Double),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("owner", "url", name="pk_harken_receivers"),
    )
    op.create_table(
        "harken_webhook_secrets",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double),
        sa.PrimaryKeyConstraint("owner", "secret", name="pk_harken_webhook_secrets"),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("webhook_secrets", "receivers", "deliveries"):
        op.drop_table(f"harken_{name}")
    op.drop_column("harken_jobs", "webhook")
    op.drop_column("harken_jobs", "source")
