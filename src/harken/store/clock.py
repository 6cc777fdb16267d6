# SPDX-License-Identifier: Apache-2.0
"""The database's own clock, the one that all machines share."""

from __future__ import annotations

import sqlalchemy as sa

from harken.store.database import is_sqlite


def database_clock(engine: sa.Engine) -> sa.ColumnElement[float]:
    """Seconds since the epoch as the database sees them, to the millisecond."""
    if is_sqlite(engine):
        # Older SQLites have no sub-second unixepoch().
        return sa.type_coerce(sa.literal_column("(julianday('now') - 2440587.5) * 86400.0"), sa.Double)
    return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
