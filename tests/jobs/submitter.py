# SPDX-License-Identifier: Apache-2.0
"""A process that submits jobs of a minute each, as fast as it can, and prints the ids of those that were taken."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fake_runner import Folder
from tests.jobs.house import House

from harken.errors import NotEnoughCredits
from harken.jobs.engine import DurableJobs
from harken.model import Quote
from harken.store import FolderBlobs, SqlLedger, SqlRoster, SqlStages, SqlStore, SqlVoices, connect


def main(kind: str, database: str, root: str, count: str, mixed: str) -> None:
    """Submit when told to; of mixed ones every third fails."""
    where = Path(database) if kind == "sqlite" else database
    engine = connect(where)
    folder = Folder(Path(root))
    house = House(
        where,
        engine,
        folder,
        SqlStore(engine),
        SqlStages(engine),
        SqlVoices(engine),
        SqlRoster(engine),
        FolderBlobs(folder.root / "audio"),
        DurableJobs(SqlLedger(engine), engine, max_queued=1000),
    )
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(count)):
        plan: dict[str, Any] = {"error": "corrupt_media"} if mixed == "mixed" and number % 3 == 0 else {}
        submission = house.submission(windows=6, **plan)
        job = replace(submission.job, duration=60.0, rates={"transcribe": 1000})
        try:
            house.jobs.submit(replace(submission, job=job, quote=Quote(1000, 1000)))
            print(job.id, flush=True)
        except NotEnoughCredits:
            print("refused", flush=True)
    house.jobs.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
