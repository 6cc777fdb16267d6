# SPDX-License-Identifier: Apache-2.0
"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "harken_jobs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("audio", sa.String(36)),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("duration", sa.Double),
        sa.Column("position", sa.Double, nullable=False),
        sa.Column("started", sa.Double),
        sa.Column("ended", sa.Double),
        sa.Column("deadline", sa.Double),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("warnings", sa.Text, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_harken_jobs"),
    )
    op.create_index("ix_harken_jobs_owner_created_id", "harken_jobs", ["owner", "created", "id"])
    op.create_index("ix_harken_jobs_created_id", "harken_jobs", ["created", "id"])
    op.create_index("ix_harken_jobs_state_lane", "harken_jobs", ["state", "lane"])
    op.create_index("ix_harken_jobs_ended", "harken_jobs", ["ended"])
    kept = sa.text("audio IS NOT NULL")
    op.create_index("ix_harken_jobs_kept_audio", "harken_jobs", ["ended"], sqlite_where=kept, postgresql_where=kept)
    op.create_table(
        "harken_idempotency",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["harken_jobs.id"], name="fk_harken_idempotency_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_harken_idempotency"),
    )
    op.create_index("ix_harken_idempotency_job_id", "harken_idempotency", ["job_id"])
    op.create_table(
        "harken_windows",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("idx", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["harken_jobs.id"], name="fk_harken_windows_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "idx", name="pk_harken_windows"),
    )
    op.create_table(
        "harken_transcripts",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("transcript", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["harken_jobs.id"], name="fk_harken_transcripts_job_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name="pk_harken_transcripts"),
    )
    op.create_table(
        "harken_executors",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("born", sa.BigInteger, nullable=False),
        sa.Column("beat", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_harken_executors"),
    )
    op.create_table(
        "harken_duties",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("done", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_harken_duties"),
    )


def downgrade() -> None:
    """Drop them, and every job with them."""
    for name in ("duties", "executors", "transcripts", "windows", "idempotency", "jobs"):
        op.drop_table(f"harken_{name}")
