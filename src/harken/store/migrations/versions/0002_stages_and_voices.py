# SPDX-License-Identifier: Apache-2.0
"""Stages of jobs, and enrolled voices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and tell a running job's stage."""
    op.add_column("harken_jobs", sa.Column("stage", sa.String(16)))
    op.create_table(
        "harken_stages",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("started", sa.Double),
        sa.Column("ended", sa.Double),
        sa.Column("deadline", sa.Double),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["harken_jobs.id"], name="fk_harken_stages_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_harken_stages"),
    )
    op.create_index("ix_harken_stages_job_id", "harken_stages", ["job_id"])
    op.create_index("ix_harken_stages_state", "harken_stages", ["state"])
    op.create_table(
        "harken_voices",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("centroid", sa.Text, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("owner", "name", name="pk_harken_voices"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("harken_voices")
    op.drop_table("harken_stages")
    op.drop_column("harken_jobs", "stage")
