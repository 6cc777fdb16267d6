# SPDX-License-Identifier: Apache-2.0
"""Which model a recording is for, and which lanes and models a worker serves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Where they are empty, any worker may do the job, and the worker does any job."""
    op.add_column("harken_jobs", sa.Column("model", sa.Text))
    op.add_column("harken_executors", sa.Column("lanes", sa.Text))
    op.add_column("harken_executors", sa.Column("models", sa.Text))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("harken_executors", "models")
    op.drop_column("harken_executors", "lanes")
    op.drop_column("harken_jobs", "model")
