# SPDX-License-Identifier: Apache-2.0
"""Does the sweeper's duty now, for a cluster in which nothing arrives any more: run on one of its hosts.

The sweeper itself waits for a day, since what it finds may be on its way still. That there is nothing which it would
not find can be seen at once.
"""

from __future__ import annotations

from harken.config import Settings
from harken.jobs.maintenance import Maintenance, Retention
from harken.store import SqlRoster, SqlStages, SqlStore, connect
from harken.store.objects import S3Blobs


class _Now(S3Blobs):
    """As if everything had been here for long; clocks differ a little."""

    orphaned = -60.0

    def sweep(self, older_than: float = -60.0) -> None:
        super().sweep(older_than)


def main() -> None:
    """The entry point."""
    settings = Settings()
    assert settings.blobs is not None
    assert settings.database_url is not None
    engine = connect(settings.database_url)
    blobs = _Now(settings.blobs, max_bytes=settings.max_upload_bytes)
    retention = Retention(settings.keep_audio, settings.keep_results)
    stages = SqlStages(engine)
    Maintenance(SqlStore(engine), stages, SqlRoster(engine), blobs, retention, lambda name: name or "").sweep_orphans()
    engine.dispose()


if __name__ == "__main__":
    main()
