# SPDX-License-Identifier: Apache-2.0
"""Old code on a newer database, and migrations that leave old code room to work, on both databases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.store.test_sql import _job

from harken.errors import DatabaseTooNew
from harken.model import Job, JobState
from harken.ports import Submission
from harken.store import SqlLedger, SqlStore, connect, migrations, preparing, upgrade
from harken.store.database import writing
from harken.store.migrations import LEAST, current
from harken.store.tables import HEAD, VERSION_TABLE

NEXT = "9999"

ADDING = re.compile(
    r"CREATE TABLE harken_\w+ \(|CREATE INDEX |ALTER TABLE harken_\w+ ADD COLUMN (?:(?!.*\bNOT NULL\b)|.*\bDEFAULT\b)"
)
UNIQUE = re.compile(r"CREATE UNIQUE INDEX \S+ ON (\w+)")
NEW_TABLE = re.compile(r"CREATE TABLE (\w+)")


def _narrowing(statements: list[str]) -> list[str]:
    """Of statements that change tables those that old code may not survive."""
    found, made = [], set[str]()
    for statement in (" ".join(one.split()) for one in statements):
        if match := NEW_TABLE.match(statement):
            made.add(match[1])
        unique = UNIQUE.match(statement)
        if unique and unique[1] in made:
            continue
        if re.match(r"CREATE|ALTER|DROP|TRUNCATE|DELETE|UPDATE harken_(?!version)", statement) and not ADDING.match(
            statement
        ):
            found.append(statement)
    return found


def test_every_migration_only_adds(database: Path | str) -> None:
    """Old processes go on beside new ones. If this fails: make the change in two releases, see docs/adr/0014."""
    engine = connect(database)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _, __, statement, *___: statements.append(statement))
    with preparing(engine):
        upgrade(engine)
    engine.dispose()
    statements = [one for one in statements if VERSION_TABLE not in one]
    assert sum("CREATE TABLE" in one for one in statements) > 5
    assert _narrowing(statements) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE harken_jobs DROP COLUMN view",
        "ALTER TABLE harken_jobs RENAME COLUMN view TO look",
        "ALTER TABLE harken_jobs ADD COLUMN more TEXT NOT NULL",
        "ALTER TABLE harken_jobs ALTER COLUMN model SET NOT NULL",
        "ALTER TABLE harken_jobs ALTER COLUMN size TYPE INTEGER",
        "ALTER TABLE harken_jobs ADD CONSTRAINT one UNIQUE (owner)",
        "CREATE UNIQUE INDEX one ON harken_jobs (owner)",
        "DROP TABLE harken_jobs",
        "UPDATE harken_jobs SET owner = 'me'",
    ],
)
def test_that_would_see_a_migration_which_does_more(statement: str) -> None:
    assert _narrowing([statement]) == [statement]
    assert _narrowing(["ALTER TABLE harken_jobs ADD COLUMN\n more TEXT DEFAULT '' NOT NULL"]) == []


def test_scripts_are_called_by_their_revisions() -> None:
    """By their names alone it is told whether a revision is known."""
    for script in (Path(migrations.__file__).parent / "versions").glob("*.py"):
        assert f'revision = "{script.name[:4]}"' in script.read_text()


@pytest.fixture
def newer(engine: sa.Engine) -> sa.Engine:
    """A database as the next version left it: one more column, table and index."""
    with writing(engine) as connection:
        for statement in (
            "ALTER TABLE harken_jobs ADD COLUMN mood TEXT",
            "CREATE TABLE harken_moods (id INTEGER PRIMARY KEY, job_id VARCHAR(36) REFERENCES harken_jobs (id))",
            "CREATE INDEX ix_harken_jobs_mood ON harken_jobs (mood)",
            f"UPDATE {VERSION_TABLE} SET version_num = '{NEXT}'",
        ):
            connection.exec_driver_sql(statement)
    return engine


def _entered(engine: sa.Engine) -> Job:
    job, _ = SqlLedger(engine).enter(Submission(_job()), 100, lambda *_: None)
    return job


def test_an_old_process_starts_and_works_on_a_newer_database(
    newer: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with preparing(newer):
        upgrade(newer)
    assert current(newer) == NEXT, "it is not turned back"
    assert f"revision {NEXT}" in caplog.text
    store = SqlStore(newer)
    job = _entered(newer)
    assert store.start(job.id, "worker").state is JobState.PROCESSING
    assert store.fail(job.id, "internal", "so it goes").state is JobState.FAILED
    store.delete(job.id)


@pytest.mark.parametrize(("least", "refused"), [(NEXT, True), (HEAD, False)])
def test_an_old_process_refuses_a_database_that_says_it_must(newer: sa.Engine, least: str, refused: bool) -> None:
    with writing(newer) as connection:
        connection.execute(
            sa.text("INSERT INTO harken_facts (name, value) VALUES (:name, :value)"), {"name": LEAST, "value": least}
        )
    if refused:
        with pytest.raises(DatabaseTooNew, match=f"do not know revision {NEXT}"), preparing(newer):
            upgrade(newer)
    else:
        with preparing(newer):
            upgrade(newer)
    assert _entered(newer).state is JobState.QUEUED
