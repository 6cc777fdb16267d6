# SPDX-License-Identifier: Apache-2.0
"""Sixty recordings on a cluster, again and again, each time with another fault; what became of them, counted.

``python -m tests.hosts.chaos --rounds 3 --write docs/reliability.md`` (``make chaos``) writes the counts down.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.hosts.audit import Audit, Outcome
from tests.hosts.client import Client, calling
from tests.hosts.cluster import DEAD_AFTER, Cluster, running, until
from tests.hosts.counts import Count
from tests.hosts.faults import FAULTS, Fault, Scene, nothing
from tests.hosts.network import check_allowed
from tests.hosts.recordings import Recording, recordings
from tests.hosts.report import report
from tests.worker.conftest import pcm

from harken.config import Settings
from harken.models.standard import model_store


class Chaos:
    """A cluster, its callers, and what they send."""

    def __init__(self, cluster: Cluster, client: Client, audit: Audit, sent: Sequence[Recording]) -> None:
        """Have everything recognised once without a fault, to know what is right."""
        self.cluster = cluster
        self.client = client
        self._audit = audit
        self.sent = sent
        self._right: list[Outcome] = []
        self.undisturbed = self.round(nothing)

    def round(self, fault: Fault) -> Count:
        """Send everything, have the fault strike, wait until all has ended, count, and tidy up."""
        self.cluster.wait_ready(self.client.get)
        began = time.monotonic()
        self.client.refused.clear()
        coming = self.client.submit(self.sent)
        scene = Scene(self.cluster, self._audit, coming, self.client.refused)
        fault(scene)
        jobs = [one.result() for one in coming]
        scene.all_ended()
        ended = time.monotonic() - began
        # The queue records the end of a job a moment after the job has ended.
        until(lambda: not self._audit.unfinished(), lambda: f"{self._audit.unfinished()} workflows do not end")
        outcomes = self._audit.outcomes(jobs, self.client.results(jobs))
        left = len(self._audit.orphans())
        self.cluster.sweep()
        right = self._right or outcomes
        self._right = right
        count = Count(
            fault=fault.__name__,
            jobs=len(jobs),
            in_flight=scene.in_flight,
            held=len(scene.held),
            lost=sum(outcome.states[-1:] != ("completed",) for outcome in outcomes),
            ended_again=sum(outcome.ends > 1 for outcome in outcomes),
            different=tuple(
                recording.name
                for recording, outcome, known in zip(self.sent, outcomes, right, strict=True)
                if outcome.result != known.result
            ),
            windows=sum(len(outcome.windows) for outcome in outcomes),
            twice=sum(times == 2 for outcome in outcomes for times in outcome.recognised.values()),
            more=sum(times > 2 for outcome in outcomes for times in outcome.recognised.values()),
            accounts_off=len(self._audit.accounts_off()),
            left=left,
            orphans=len(self._audit.orphans() | self._audit.lost_recordings()),
            unfinished=self._audit.unfinished(),
            refused=len(self.client.refused),
            taken_over=None if scene.regained is None else scene.regained - scene.struck,
            ended=ended,
        )
        self.client.delete(jobs)
        print(count, file=sys.stderr, flush=True)
        return count


@contextmanager
def chaos(share: int = 1) -> Iterator[Chaos]:
    """All that it takes, with every ``share``-th recording, until the context ends."""
    store = model_store(Settings())
    for model in ("base", "silero-vad", "segmentation-3.0", "campplus"):
        store.fetch(model)
    clips = store.fetch("moonshine-clips")
    speech = {
        "cities": pcm(clips / "two_cities.wav"),
        "call": pcm(store.fetch("sample") / "sample.wav"),
        "beckett": pcm(clips / "beckett.wav"),
    }
    with running(store.root) as cluster:
        cluster.wait_database()
        try:
            with calling(cluster) as client:
                cluster.wait_ready(client.get)
                audit = Audit(cluster, client.keys)
                yield Chaos(cluster, client, audit, recordings(speech)[::share])
        except BaseException:
            print(cluster.logs(), file=sys.stderr)
            raise


def main() -> None:
    """The entry point of ``make chaos``."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="times that each fault strikes")
    parser.add_argument("--only", action="append", help="a fault, by its name; several times for several")
    parser.add_argument("--share", type=int, default=1, help="send every so-manieth recording only")
    parser.add_argument("--write", type=Path, help="file to write the report to; else it is printed")
    chosen = parser.parse_args()
    check_allowed()
    faults = [fault for fault in FAULTS if not chosen.only or fault.__name__ in chosen.only]
    with chaos(chosen.share) as made:
        counts = [made.undisturbed, *(made.round(fault) for fault in faults for _ in range(chosen.rounds))]
    meanings = {fault.__name__: " ".join((fault.__doc__ or "").split()) for fault in (nothing, *faults)}
    text = report(counts, meanings, dead_after=DEAD_AFTER)
    if chosen.write is None:
        print(text)
    else:
        chosen.write.write_text(text)
    sys.exit(any(count.bad for count in counts))


if __name__ == "__main__":
    main()
