# SPDX-License-Identifier: Apache-2.0
"""The tables, for SQLite and PostgreSQL alike.

Every name begins with ``harken_``, so that the tables can share a database with the queue's and with those of others.
Times are seconds since the epoch as doubles. What is only read back whole is JSON in a text column: it can hold any
string and any number, which PostgreSQL's own JSON type cannot. Knows no queries.
"""

from __future__ import annotations

import sqlalchemy as sa

PREFIX = "harken_"
VERSION_TABLE = f"{PREFIX}version"
HEAD = "0009"
"""Revision of the newest migration; a database that has it needs no Alembic at start."""


class Plain(sa.TypeDecorator[str]):
    """Text as every database can hold it: no half characters, and no NUL, which PostgreSQL refuses.

    It mends what is looked for too, so that an odd id is merely not found.
    """

    impl: type[sa.String] = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """``value``, mended."""
        if value is None:
            return None
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


class PlainKey(Plain):
    """The same with a length in the database; what is looked for may be longer."""

    impl = sa.String
    cache_ok = True


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

jobs = sa.Table(
    f"{PREFIX}jobs",
    metadata,
    sa.Column("id", PlainKey(36), primary_key=True),
    sa.Column("owner", Plain, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("lane", sa.String(16), nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("filename", Plain, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("updated", sa.Double, nullable=False),
    sa.Column("audio", PlainKey(36)),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("duration", sa.Double),
    sa.Column("position", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("ended", sa.Double),
    sa.Column("deadline", sa.Double),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("error_code", Plain),
    sa.Column("error_message", Plain),
    sa.Column("warnings", sa.Text, nullable=False),
    sa.Column("view", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("stage", sa.String(16)),
    sa.Column("keep", sa.Double),
    sa.Column("worker", Plain),
    sa.Column("rates", sa.Text),
    sa.Column("source", Plain),
    sa.Column("webhook", Plain),
    sa.Column("traceparent", PlainKey(55)),
    sa.Column("model", Plain),
    sa.Index(None, "owner", "created", "id"),
    sa.Index(None, "created", "id"),
    sa.Index(None, "state", "lane"),
    sa.Index(None, "ended"),
)

_kept = jobs.c.audio.is_not(None)
sa.Index(f"ix_{PREFIX}jobs_kept_audio", jobs.c.ended, sqlite_where=_kept, postgresql_where=_kept)

_briefly = jobs.c.keep.is_not(None)
sa.Index(f"ix_{PREFIX}jobs_briefly", jobs.c.ended, sqlite_where=_briefly, postgresql_where=_briefly)

# The key is the SHA-256 of what the caller sent, which may be long or hold anything.
idempotency = sa.Table(
    f"{PREFIX}idempotency",
    metadata,
    sa.Column("owner", Plain, primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("fingerprint", Plain, nullable=False),
    sa.Column("job_id", PlainKey(36), sa.ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False, index=True),
)

windows = sa.Table(
    f"{PREFIX}windows",
    metadata,
    sa.Column("job_id", PlainKey(36), sa.ForeignKey(jobs.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("idx", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("result", sa.Text, nullable=False),
)

transcripts = sa.Table(
    f"{PREFIX}transcripts",
    metadata,
    sa.Column("job_id", PlainKey(36), sa.ForeignKey(jobs.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("transcript", sa.Text, nullable=False),
)

stages = sa.Table(
    f"{PREFIX}stages",
    metadata,
    sa.Column("id", PlainKey(36), primary_key=True),
    sa.Column("job_id", PlainKey(36), sa.ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("updated", sa.Double, nullable=False),
    sa.Column("progress", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("ended", sa.Double),
    sa.Column("deadline", sa.Double),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("error_code", Plain),
    sa.Column("error_message", Plain),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lane", sa.String(16)),
    sa.Column("result", sa.Text),
    sa.Column("price", sa.BigInteger),
    sa.Column("traceparent", PlainKey(55)),
)

voices = sa.Table(
    f"{PREFIX}voices",
    metadata,
    sa.Column("owner", Plain, primary_key=True),
    sa.Column("name", Plain, primary_key=True),
    sa.Column("centroid", sa.Text, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
)

deliveries = sa.Table(
    f"{PREFIX}deliveries",
    metadata,
    sa.Column("id", PlainKey(36), primary_key=True),
    sa.Column("owner", Plain, nullable=False),
    sa.Column("job_id", PlainKey(36), sa.ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("url", Plain, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("due", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
    sa.Column("tries", sa.Text, nullable=False),
    sa.Index(None, "state", "due"),
    sa.Index(None, "owner", "created", "id"),
)

receivers = sa.Table(
    f"{PREFIX}receivers",
    metadata,
    sa.Column("owner", Plain, primary_key=True),
    sa.Column("url", Plain, primary_key=True),
    sa.Column("paused", sa.Double),
    sa.Column("reason", Plain),
)

webhook_secrets = sa.Table(
    f"{PREFIX}webhook_secrets",
    metadata,
    sa.Column("owner", Plain, primary_key=True),
    sa.Column("secret", Plain, primary_key=True),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("expires", sa.Double),
)

executors = sa.Table(
    f"{PREFIX}executors",
    metadata,
    sa.Column("id", PlainKey(64), primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("born", sa.BigInteger, nullable=False),
    sa.Column("beat", sa.Double, nullable=False),
    sa.Column("lanes", sa.Text),
    sa.Column("models", sa.Text),
)

duties = sa.Table(
    f"{PREFIX}duties",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("done", sa.Double, nullable=False),
)
