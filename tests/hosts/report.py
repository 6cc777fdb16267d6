# SPDX-License-Identifier: Apache-2.0
"""The counts of many rounds as the page ``docs/reliability.md``. Knows no cluster."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tests.hosts.counts import Count

_HEAD = """# Reliability

What becomes of recordings when machines fail. `make chaos` wrote this page: it starts PostgreSQL, an S3-compatible
store (SeaweedFS), two APIs and three workers, each on a host of its own (Linux namespaces: own address, own processes,
own disk), sends {jobs} recordings of real speech through both APIs from three accounts that pay, and lets one fault
strike while they are in flight. Each fault strikes {rounds}. After each it counts, and compares every transcript (text,
segments, times, speakers), every saved window and every bill with those of a run without a fault.

Machine: {machine}; {date}. All hosts share its cores: times say how soon things go on, not how fast they are.
Workers count as dead after {dead_after:g} s of silence here (`HARKEN_DEAD_AFTER`; 5 s unless set).

| fault | {columns} |
|---|{rules}|
"""
_COLUMNS = {
    "jobs": "recordings that were sent",
    "in flight": "jobs that had not ended when the fault struck",
    "lost": "jobs that did not complete",
    "doubled": "jobs that ended more than once, by a database trigger: also ends that were taken back",
    "different": "recordings whose transcript, windows or bill is not that of the undisturbed run",
    "windows": "windows of all jobs",
    "again": "windows handed to a recogniser a second time, whether or not anything came of the first",
    "more": "windows handed to a recogniser more often than twice",
    "bills": "accounts with credits set aside for nothing, or with more or less paid than jobs are due",
    "left": "recordings that arrived at a machine which failed before they were a job's, and unfinished uploads: left "
    "to the sweeper, which drops them when they are a day old, and which is run here at once",
    "orphans": "recordings in the store that no job owns after that, and jobs whose recording is not there",
    "refused": "requests that clients had to send again: to the other API, with the same `Idempotency-Key`",
    "taken over": "seconds until all jobs of the struck workers were in other hands, in the slowest round",
    "ended": "seconds from the first upload to the last end, in the slowest round",
}


def report(counts: Sequence[Count], meanings: Mapping[str, str], *, dead_after: float) -> str:
    """The page. ``meanings`` says what the faults are, by name."""
    rounds = max(len(list(same)) for _, same in groupby(counts, lambda count: count.fault))
    head = _HEAD.format(
        jobs=counts[0].jobs,
        rounds="once" if rounds == 1 else f"{rounds} times",
        machine=_machine(),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        dead_after=dead_after,
        columns=" | ".join(_COLUMNS),
        rules="---|" * (len(_COLUMNS) - 1) + "---",
    )
    lines = [_line(fault, list(same)) for fault, same in groupby(counts, lambda count: count.fault)]
    terms = [f"- *{name}*: {meaning}" for name, meaning in _COLUMNS.items()]
    told = [f"- **{_plain(name)}**: {meaning}" for name, meaning in meanings.items()]
    return head + "\n".join([*lines, "", *terms, "", "The faults:", "", *told, ""])


def _line(fault: str, counts: Sequence[Count]) -> str:
    taken = [count.taken_over for count in counts if count.taken_over is not None]
    cells = [
        _plain(fault),
        sum(count.jobs for count in counts),
        sum(count.in_flight for count in counts),
        sum(count.lost for count in counts),
        sum(count.ended_again for count in counts),
        sum(len(count.different) for count in counts),
        sum(count.windows for count in counts),
        sum(count.twice for count in counts),
        sum(count.more for count in counts),
        sum(count.accounts_off for count in counts),
        sum(count.left for count in counts),
        sum(count.orphans for count in counts),
        sum(count.refused for count in counts),
        f"{max(taken):.1f} s" if taken else "",
        f"{max(count.ended for count in counts):.0f} s",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of {name}, Linux {platform.release().split('-')[0]}"
