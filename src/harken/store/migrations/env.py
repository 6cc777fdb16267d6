# SPDX-License-Identifier: Apache-2.0
"""What Alembic runs: our tables only, whatever else is in the database. It is given a connection."""

from __future__ import annotations

from alembic import context

from harken.store import account_tables  # noqa: F401  which belong to the metadata
from harken.store.tables import PREFIX, VERSION_TABLE, metadata


def ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether a thing in the database is ours: the queue keeps its tables beside ours, in SQLite in the same schema."""
    return kind != "table" or (name or "").startswith(PREFIX)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=ours,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
