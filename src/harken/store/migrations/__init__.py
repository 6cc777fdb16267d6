# SPDX-License-Identifier: Apache-2.0
"""Bringing a database up to date. The scripts of Alembic are in ``versions``; ``env.py`` is what Alembic calls.

Old processes work on beside new ones, on the database as the new ones made it: migrations only add, tables, indexes,
columns that may be empty. One that cannot keep to that says so in the fact :data:`LEAST`.
"""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa

from harken.errors import DatabaseTooNew
from harken.store.account_tables import facts
from harken.store.database import writing
from harken.store.tables import HEAD, VERSION_TABLE

log = logging.getLogger(__name__)

LEAST = "least_version"
"""Name of the fact with the oldest revision that a process must know to work on the database, where there is one."""


def current(engine: sa.Engine) -> str | None:
    """The revision of a database; None before the first."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return None
        return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  constant


def upgrade(engine: sa.Engine, revision: str = HEAD) -> None:
    """Run the migrations that a database lacks, all in one transaction; one that is ahead is left as it is.

    The caller holds :func:`~harken.store.database.preparing`. A database that lacks none costs one query: Alembic
    takes a third of a second to import. Raises DatabaseTooNew.
    """
    found = current(engine)
    if found == revision:
        return
    known = {script.name[:4] for script in (Path(__file__).parent / "versions").glob("[0-9]*.py")}
    if found is not None and found not in known:
        _go_on(engine, found, known)
        return
    from alembic import command  # noqa: PLC0415  see above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _go_on(engine: sa.Engine, found: str, known: set[str]) -> None:
    """Work on a database that a newer version prepared, unless it says that this one cannot."""
    with engine.connect() as connection:
        least = connection.execute(sa.select(facts.c.value).where(facts.c.name == LEAST)).scalar()
    if least is not None and least not in known:
        raise DatabaseTooNew(
            f"the database was prepared by a newer version of harken (revision {found}), and versions that do not know "
            f"revision {least} cannot work on it; this one knows {max(known)}. Upgrade this one"
        )
    log.warning("the database was prepared by a newer version of harken (revision %s); going on beside it", found)
