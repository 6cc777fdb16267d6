# SPDX-License-Identifier: Apache-2.0
"""What became of the jobs of a round, from what the database, the logs and the object store say.

The database notes every change of a job's state by a trigger, so that an end that was taken back shows too. A window
counts as recognised when a worker hands it to a child, whether or not anything came of it: workers log that.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from tests.hosts.client import GRANTED
from tests.hosts.cluster import Cluster, Server

_TRIGGER = """
CREATE TABLE chaos_states (place bigserial, job_id text, state text);
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO chaos_states (job_id, state) VALUES (new.id, new.state); RETURN new; END $$;
CREATE TRIGGER chaos_note AFTER UPDATE OF state ON harken_jobs FOR EACH ROW
WHEN (old.state IS DISTINCT FROM new.state) EXECUTE FUNCTION chaos_note();
"""
_HANDED = re.compile(rb'"message": "recognising window (\d+)", "job_id": "([0-9a-f-]{36})"')
_ENDED = {"completed", "failed", "cancelled"}

Ledger = tuple[tuple[str, int], ...]
"""What the entries of a job are: kind and amount, in order."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recording."""

    states: tuple[str, ...]
    """That its job came to, in order."""
    windows: tuple[int, ...]
    """That are saved."""
    ledger: Ledger
    transcript: Mapping[str, Any]
    """Without the times that it took."""
    recognised: Mapping[int, int]
    """How often each window was."""

    @property
    def result(self) -> object:
        """What has to be the same in every run."""
        return self.windows, self.ledger, self.transcript

    @property
    def ends(self) -> int:
        """Times that it ended."""
        return sum(state in _ENDED for state in self.states)


class Audit:
    """Looks into a cluster from outside."""

    def __init__(self, cluster: Cluster, keys: Callable[[], set[str]]) -> None:
        """``keys`` gives the keys of the recordings that the object store has."""
        self._cluster = cluster
        self.keys = keys
        self._read: Counter[str] = Counter()
        self._handed: dict[str, Counter[int]] = defaultdict(Counter)
        self.ask(_TRIGGER)

    def ask(self, statement: str, *values: object) -> list[Any]:
        """What a statement gives, over the database's own socket, which no cut reaches."""
        with psycopg.connect(self._cluster.database_socket, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def active(self) -> int:
        """Jobs that have not ended."""
        return int(self.ask("SELECT count(*) FROM harken_jobs WHERE state IN ('queued', 'processing')")[0][0])

    def hands(self) -> dict[str, str]:
        """Which executor has which job in hand."""
        return dict(self.ask("SELECT id, worker FROM harken_jobs WHERE state = 'processing'"))

    def executors(self, worker: Server) -> set[str]:
        """The executors of a host that are known to be alive, or not yet known to be dead."""
        return {row[0] for row in self.ask("SELECT id FROM harken_executors WHERE host LIKE %s", worker.host.mark)}

    def outcomes(self, jobs: Sequence[str], transcripts: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """What became of each job."""
        self._read_logs()
        states = self._grouped("SELECT job_id, state FROM chaos_states WHERE job_id = ANY(%s) ORDER BY place", jobs)
        windows = self._grouped("SELECT job_id, idx FROM harken_windows WHERE job_id = ANY(%s) ORDER BY idx", jobs)
        entries = self._grouped(
            "SELECT job_id, kind, amount FROM harken_credits WHERE job_id = ANY(%s) ORDER BY id", jobs
        )
        return [
            Outcome(
                states=tuple(row[0] for row in states[job]),
                windows=tuple(row[0] for row in windows[job]),
                ledger=tuple((row[0], row[1]) for row in entries[job]),
                transcript=_timeless(transcript),
                recognised=self._handed[job],
            )
            for job, transcript in zip(jobs, transcripts, strict=True)
        ]

    def accounts_off(self) -> list[str]:
        """Accounts that have something set aside although nothing runs, or whose balance is not what they paid."""
        query = """
            SELECT accounts.name, sum(amount) FILTER (WHERE kind = 'grant'),
                   coalesce(sum(amount) FILTER (WHERE kind IN ('reserve', 'release')), 0),
                   count(*) FILTER (WHERE kind = 'settle'), count(DISTINCT work) FILTER (WHERE kind = 'settle')
            FROM harken_credits JOIN harken_accounts accounts ON accounts.id = account
            WHERE accounts.metered GROUP BY accounts.name
        """
        return [
            name
            for name, granted, aside, paid, works in self.ask(query)
            if (granted, aside) != (GRANTED, 0) or paid != works
        ]

    def orphans(self) -> set[str]:
        """Recordings in the object store that no job owns."""
        return self.keys() - self._owned()

    def lost_recordings(self) -> set[str]:
        """Recordings that a job owns and the object store has not."""
        return self._owned() - self.keys()

    def unfinished(self) -> int:
        """Workflows that the queue still holds."""
        query = "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')"
        return int(self.ask(query)[0][0])

    def _owned(self) -> set[str]:
        return {row[0] for row in self.ask("SELECT audio FROM harken_jobs WHERE audio IS NOT NULL")}

    def _grouped(self, query: str, jobs: Sequence[str]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for job, *rest in self.ask(query, list(jobs)):
            found[job].append(rest)
        return found

    def _read_logs(self) -> None:
        for worker in self._cluster.workers:
            with worker.log.open("rb") as log:
                log.seek(self._read[worker.name])
                content = log.read()
            # Up to the last whole line.
            content = content[: content.rfind(b"\n") + 1]
            self._read[worker.name] += len(content)
            for window, job in _HANDED.findall(content):
                self._handed[job.decode()][int(window)] += 1


def _timeless(transcript: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in transcript.items() if name not in {"timing", "id", "job_id"}}
