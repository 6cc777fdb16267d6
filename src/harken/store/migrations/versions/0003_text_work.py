# SPDX-License-Identifier: Apache-2.0
"""Text work: what it came to and where it waits; jobs that are kept for a time of their own, and who has them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("harken_jobs", sa.Column("keep", sa.Double))
    op.add_column("harken_jobs", sa.Column("worker", sa.Text))
    briefly = sa.text("keep IS NOT NULL")
    op.create_index("ix_harken_jobs_briefly", "harken_jobs", ["ended"], sqlite_where=briefly, postgresql_where=briefly)
    op.add_column("harken_stages", sa.Column("lane", sa.String(16)))
    op.add_column("harken_stages", sa.Column("result", sa.Text))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("harken_stages", "result")
    op.drop_column("harken_stages", "lane")
    op.drop_index("ix_harken_jobs_briefly", "harken_jobs")
    op.drop_column("harken_jobs", "worker")
    op.drop_column("harken_jobs", "keep")
