# SPDX-License-Identifier: Apache-2.0
"""Many submissions race for few credits while workers are killed: the ledger balances to the last credit."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.jobs.house import PATIENCE, House, Worker, until

from harken.errors import JobEnded
from harken.model import Account, AuditEntry, CreditEntry, CreditKind, JobState
from harken.store import SqlAccounts, SqlCredits

BALANCE = 50
TRIES = 200
PROCESSES = 4
MINUTE = 1000
"""What a job costs."""


class Race:
    """Processes that submit, and what came of it."""

    def __init__(self, house: House, mixed: bool) -> None:
        self.refused = 0
        self.taken: list[str] = []
        self._lock = threading.Lock()
        script = Path(__file__).parent / "submitter.py"
        kind = "sqlite" if isinstance(house.database, Path) else "postgresql"
        arguments = [kind, str(house.database), str(house.folder.root), str(TRIES // PROCESSES)]
        self._processes = [
            subprocess.Popen(
                [sys.executable, str(script), *arguments, "mixed" if mixed else "alike"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(script.parents[2])},
            )
            for _ in range(PROCESSES)
        ]
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        self._readers = [threading.Thread(target=self._read, args=(process,)) for process in self._processes]

    def start(self) -> None:
        for reader, process in zip(self._readers, self._processes, strict=True):
            reader.start()
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.close()

    def running(self) -> bool:
        return any(process.poll() is None for process in self._processes)

    def close(self) -> None:
        """Leave nothing behind, however the test went."""
        for process in self._processes:
            process.kill()
            process.wait(PATIENCE)

    def end(self) -> None:
        for reader, process in zip(self._readers, self._processes, strict=True):
            reader.join(PATIENCE)
            assert process.wait(PATIENCE) == 0
            assert process.stdout is not None
            process.stdout.close()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._lock:
                if line == "refused\n":
                    self.refused += 1
                else:
                    self.taken.append(line.strip())


def _kinds(entries: list[CreditEntry]) -> list[CreditKind]:
    return sorted(entry.kind for entry in entries)


def _kill_meanwhile(
    house: House, credit: SqlCredits, race: Race, workers: list[Worker], mixed: bool
) -> tuple[set[str], int]:
    """Kill workers until all is submitted and done; which jobs were deleted, and how many workers died."""
    chance = random.Random(3)
    deleted = set[str]()
    kills = 0
    while race.running() or kills < 3:
        balance = credit.balance("me")
        assert balance is not None
        assert balance >= 0
        if mixed and race.taken and chance.random() < 0.2:
            job_id = chance.choice(race.taken)
            if job_id not in deleted:
                try:
                    if house.store.request_cancel(job_id).state is JobState.CANCELLED:
                        house.jobs.cancel(job_id)
                except JobEnded:
                    house.store.delete(job_id)
                    deleted.add(job_id)
        if len(house.folder.done()) > 10 * (kills + 1):
            at = chance.randrange(len(workers))
            workers[at].kill()
            kills += 1
            workers[at] = house.worker()
        elif not race.running() and all(house.store.job(one).state.ended for one in race.taken if one not in deleted):
            break
    return deleted, kills


@pytest.mark.slow
@pytest.mark.parametrize("mixed", [False, True], ids=["alike", "mixed"])
def test_two_hundred_race_for_fifty(house: House, mixed: bool) -> None:
    """Mixed: some fail, some are cancelled, some deleted, and what they give back is there for others."""
    credit = SqlCredits(house.engine)
    SqlAccounts(house.engine).have(Account("me", "me", 0.0))
    credit.grant("me", BALANCE * MINUTE, "", AuditEntry("admin", "credits.grant"))
    workers = [house.worker().wait_ready() for _ in range(2)]
    with contextlib.closing(Race(house, mixed)) as race:
        race.start()
        deleted, kills = _kill_meanwhile(house, credit, race, workers, mixed)
        race.end()
    until(lambda: all(house.store.job(one).state.ended for one in race.taken if one not in deleted))
    assert len(race.taken) + race.refused == TRIES
    settled = 0
    for job_id in race.taken:
        entries = credit.of_job(job_id)
        paid = _kinds(entries) == [CreditKind.RELEASE, CreditKind.RESERVE, CreditKind.SETTLE]
        assert paid or _kinds(entries) == [CreditKind.RELEASE, CreditKind.RESERVE]
        if job_id not in deleted:
            assert paid == (house.store.job(job_id).state is JobState.COMPLETED)
        settled += paid
    assert credit.balance("me") == (BALANCE - settled) * MINUTE
    print(f"{len(race.taken)} taken, {settled} paid, {len(deleted)} deleted, {kills} kills")
    assert kills >= 3
    if mixed:
        assert len(race.taken) >= BALANCE
    else:
        assert (len(race.taken), settled, credit.balance("me")) == (BALANCE, BALANCE, 0)
