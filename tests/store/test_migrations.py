# SPDX-License-Identifier: Apache-2.0
"""Models and migrations say the same, on both databases, and two processes may start at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from dbos import DBOS

from harken.model import JobState, Options
from harken.store import SqlStore, connect, migrations, preparing, upgrade
from harken.store.database import writing
from harken.store.migrations import current
from harken.store.tables import HEAD, PREFIX, VERSION_TABLE, metadata


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or (name or "").startswith(PREFIX)


def _differences(engine: sa.Engine) -> list[object]:
    options = {"version_table": VERSION_TABLE, "include_name": _ours, "compare_server_default": True}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def test_models_and_migrations_agree_beside_the_tables_of_the_queue(engine: sa.Engine) -> None:
    DBOS.migrate(engine.url.render_as_string(hide_password=False))
    assert _differences(engine) == []


def test_the_comparison_sees_a_difference(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql(f"ALTER TABLE {PREFIX}jobs DROP COLUMN attempts")
        connection.exec_driver_sql(f"CREATE TABLE {PREFIX}stray (id INTEGER)")
    kinds = {str(difference[0]) for difference in _differences(engine)}  # type: ignore[index]
    assert kinds == {"add_column", "remove_table"}


def test_head_is_the_newest_script() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_jobs_from_before_there_were_speakers_are_read_still(database: Path | str) -> None:
    """In the very words in which the first version wrote them."""
    options = {"model": "base", "language": "en", "languages": [], "vocabulary": ["Zoë"], "beam_size": None}
    segment = {
        "start": 0.0,
        "end": 1.0,
        "text": " one",
        "tokens": [7],
        "avg_logprob": -0.1,
        "no_speech_prob": 0.0,
        "compression_ratio": 1.0,
        "temperature": 0.0,
        "language": "en",
        "channel": None,
        "words": [{"start": 0.0, "end": 1.0, "text": " one", "probability": 0.9}],
    }
    window = {"start": 0.0, "end": 1.0, "speech": [[0.0, 1.0]], "channel": None}
    result = {"window": window, "segments": [segment], "dropped": [], "language": "en", "language_probability": None}
    transcript = {
        "segments": [segment],
        "language": "en",
        "duration": 1.0,
        "model": "base",
        "language_probability": None,
        "languages": [["en", 1.0]],
        "task": "transcribe",
        "dropped": [],
        "warnings": [],
        "coverage": {"speech": 1.0, "missed": 0.0},
        "timing": {"queued": 0.1, "processing": 0.2},
    }
    engine = connect(database)
    with preparing(engine):
        upgrade(engine, "0001")
    with writing(engine) as connection:
        connection.execute(
            sa.text(
                f"INSERT INTO {PREFIX}jobs (id, owner, state, lane, options, filename, created, updated, size,"
                " position, cancel_requested, warnings, view, attempts)"
                " VALUES ('j', 'me', 'processing', 'batch', :options, 'a.wav', 1.0, 1.0, 5, 1.0, false, '[]', '{}', 0)"
            ),
            {"options": json.dumps(options)},
        )
        for into, value in (("windows (idx, job_id, result) VALUES (0,", result), ("transcripts VALUES (", transcript)):
            connection.execute(sa.text(f"INSERT INTO {PREFIX}{into} 'j', :value)"), {"value": json.dumps(value)})
    with preparing(engine):
        upgrade(engine)
    store = SqlStore(engine)
    job = store.start("j", "worker")
    assert (job.options, job.stage) == (Options(model="base", language="en", vocabulary=("Zoë",)), None)
    assert [one.text for one in store.saved("j")[0].segments] == [" one"]
    found = store.transcript("j")
    assert found is not None
    assert (found.text, found.turns, found.speakers, found.words[0].speaker) == ("one", (), (), None)
    assert store.complete("j", found).state is JobState.COMPLETED
    assert store.transcript("j") == found
    engine.dispose()


def test_a_failed_migration_leaves_nothing(database: Path | str) -> None:
    engine = connect(database)
    with writing(engine) as connection:
        connection.exec_driver_sql(f"CREATE TABLE {PREFIX}duties (id INTEGER)")
    with pytest.raises(sa.exc.DBAPIError), preparing(engine):
        upgrade(engine)
    assert sa.inspect(engine).get_table_names() == [f"{PREFIX}duties"]
    engine.dispose()


_START = """
import pathlib, sys
from harken.store import connect, preparing, upgrade
engine = connect(pathlib.Path(sys.argv[2]) if sys.argv[1] == "sqlite" else sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with preparing(engine):
    upgrade(engine)
"""


def test_processes_that_start_at_once(database: Path | str) -> None:
    kind = "sqlite" if isinstance(database, Path) else "postgresql"
    command = [sys.executable, "-c", _START, kind, str(database)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outcomes = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        outcomes.append((process.returncode, errors))
    assert outcomes == [(0, "")] * 3
    engine = connect(database)
    assert current(engine) == HEAD
    engine.dispose()


def test_sqlite_is_in_wal_mode_with_foreign_keys(tmp_path: Path) -> None:
    engine = connect(tmp_path / "harken.sqlite")
    with preparing(engine):
        upgrade(engine)
    pragmas = {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 30_000}
    with engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas}
    engine.dispose()
    assert found == pragmas
