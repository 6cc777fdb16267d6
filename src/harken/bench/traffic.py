# SPDX-License-Identifier: Apache-2.0
"""Callers of a server, in a process of their own: ``python -m harken.bench.traffic '{...}'``.

Somebody who sends a short clip again and again, by turns waiting for the text and as a job that is followed to its end;
health checks; submissions; each in a thread, one request after the other. What they saw is written as JSON when
standard input ends. So whoever measures something else meanwhile does not slow them down.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harken.bench.server import LEAVE_SECONDS, Client
from harken.errors import HarkenError

HEALTH_SECONDS = 0.1
"""Between two health checks."""
SUBMISSION_SECONDS = 0.5
"""Between two submissions of a second of silence."""
LEAST = 2
"""Times that everything is done, however soon it is to end: of less there are no percentiles."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Who calls, and how often."""

    url: str
    clip: str = ""
    """A short recording; empty sends none."""
    clip_key: str = ""
    """Of the account that sends it."""
    pause: float = 0.0
    """Mean seconds between an answer and sending it again; they vary by half."""
    silence: str = ""
    """What is submitted by the way; no health is asked for and nothing submitted where there is none."""
    probe_key: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """How long things took, in seconds."""

    waited: tuple[float, ...] = ()
    """From sending the clip to having its text, in one request."""
    jobs: tuple[float, ...] = ()
    """From sending the clip to the end of its job."""
    health: tuple[float, ...] = ()
    submissions: tuple[float, ...] = ()
    """From sending a recording to its being entered as a job."""


class Traffic:
    """Callers at work, until they are told to end."""

    def __init__(self, calls: Calls) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harken.bench.traffic", json.dumps(asdict(calls))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self) -> Seen:
        """What they saw. Raises HarkenError when a request failed; what it said is on standard error."""
        output, _ = self._process.communicate(timeout=10 * LEAVE_SECONDS)
        if self._process.returncode:
            raise HarkenError(f"the callers ended with status {self._process.returncode}")
        return Seen(**{name: tuple(values) for name, values in json.loads(output).items()})

    def kill(self) -> None:
        """End them, whatever they do."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def calling(calls: Calls) -> Iterator[Traffic]:
    """Callers at work for the length of the context at most."""
    traffic = Traffic(calls)
    try:
        yield traffic
    finally:
        traffic.kill()


class _Caller(threading.Thread):
    """Does some things in turn, again and again, timed."""

    def __init__(
        self, acts: Mapping[str, Callable[[], object]], pause: Callable[[], float], ended: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self._acts, self._pause, self._ended = acts, pause, ended
        self.taken: dict[str, list[float]] = {name: [] for name in acts}
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for name in itertools.cycle(self._acts):
                begin = time.perf_counter()
                self._acts[name]()
                self.taken[name].append(time.perf_counter() - begin)
                if self._ended.wait(self._pause()) and all(len(taken) >= LEAST for taken in self.taken.values()):
                    break
        except Exception as error:  # noqa: BLE001 - told by the main thread
            self.error = error
            self._ended.set()


def _callers(calls: Calls, ended: threading.Event) -> list[_Caller]:
    chance = random.Random(1)  # noqa: S311 - nothing secret, and the same each time
    found: list[_Caller] = []
    if calls.clip:
        clip = (Path(calls.clip).name, Path(calls.clip).read_bytes())
        client = Client(calls.url, key=calls.clip_key)
        acts: dict[str, Callable[[], object]] = {
            "waited": lambda: client.transcribe(*clip),
            "jobs": lambda: client.follow(client.submit(*clip)),
        }
        found.append(_Caller(acts, lambda: calls.pause * chance.uniform(0.5, 1.5), ended))
    if calls.silence:
        silence = (Path(calls.silence).name, Path(calls.silence).read_bytes())
        health, submitting = Client(calls.url), Client(calls.url, key=calls.probe_key)
        found.append(_Caller({"health": health.health}, lambda: HEALTH_SECONDS, ended))
        found.append(_Caller({"submissions": lambda: submitting.submit(*silence)}, lambda: SUBMISSION_SECONDS, ended))
    return found


def _main(argument: str) -> int:
    data: dict[str, Any] = json.loads(argument)
    ended = threading.Event()
    callers = _callers(Calls(**data), ended)
    for caller in callers:
        caller.start()

    def listen() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    ended.wait()
    for caller in callers:
        caller.join()
    errors = [caller.error for caller in callers if caller.error is not None]
    if errors:
        sys.stderr.write(f"{errors[0]}\n")
        return 1
    sys.stdout.write(json.dumps({name: taken for caller in callers for name, taken in caller.taken.items()}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
