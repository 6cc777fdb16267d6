# SPDX-License-Identifier: Apache-2.0
"""The trace that a job or a stage is part of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("harken_jobs", sa.Column("traceparent", sa.String(55)))
    op.add_column("harken_stages", sa.Column("traceparent", sa.String(55)))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("harken_stages", "traceparent")
    op.drop_column("harken_jobs", "traceparent")
