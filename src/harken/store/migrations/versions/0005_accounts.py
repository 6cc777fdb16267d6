# SPDX-License-Identifier: Apache-2.0
"""Accounts, keys, credits, sessions, the audit log, shared limits; what jobs and stages cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COUNTING = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, and add the columns."""
    op.add_column("harken_jobs", sa.Column("rates", sa.Text))
    op.add_column("harken_stages", sa.Column("price", sa.BigInteger))
    op.create_table(
        "harken_accounts",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("metered", sa.Boolean, nullable=False),
        sa.Column("closed", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_harken_accounts"),
    )
    op.create_table(
        "harken_keys",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double),
        sa.Column("last_used", sa.Double),
        sa.Column("revoked", sa.Double),
        sa.ForeignKeyConstraint(["account"], ["harken_accounts.id"], name="fk_harken_keys_account"),
        sa.PrimaryKeyConstraint("id", name="pk_harken_keys"),
        sa.UniqueConstraint("prefix", name="uq_harken_keys_prefix"),
    )
    op.create_index("ix_harken_keys_account", "harken_keys", ["account"])
    op.create_table(
        "harken_credits",
        sa.Column("id", _COUNTING, nullable=False, autoincrement=True),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("job_id", sa.String(36)),
        sa.Column("work", sa.String(36)),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_harken_credits"),
        sa.UniqueConstraint("work", "kind", name="uq_harken_credits_work_kind"),
    )
    op.create_index("ix_harken_credits_job_id", "harken_credits", ["job_id"])
    op.create_index("ix_harken_credits_account_id_amount", "harken_credits", ["account", "id", "amount"])
    op.create_table(
        "harken_sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_harken_sessions"),
    )
    op.create_table(
        "harken_audit",
        sa.Column("id", _COUNTING, nullable=False, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_harken_audit"),
    )
    op.create_table(
        "harken_rates",
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("full_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_harken_rates"),
    )
    op.create_table(
        "harken_slots",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_harken_slots"),
    )
    op.create_index("ix_harken_slots_subject", "harken_slots", ["subject"])
    op.create_table(
        "harken_facts",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_harken_facts"),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("facts", "slots", "rates", "audit", "sessions", "credits", "keys", "accounts"):
        op.drop_table(f"harken_{name}")
    op.drop_column("harken_stages", "price")
    op.drop_column("harken_jobs", "rates")
