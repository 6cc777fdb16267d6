# SPDX-License-Identifier: Apache-2.0
"""What the server costs beside the engine: overhead of a request, health under load, small jobs per second.

Measured from outside, over HTTP on a server that runs already or one that is started for it. Knows the openai dialect's
wire form and nothing of what is behind it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests

from harken.bench.targets import Target
from harken.errors import HarkenError

START_SECONDS = 180.0
JOB_SECONDS = 300.0
LEAVE_SECONDS = 30.0
ENDED = frozenset({"completed", "failed", "cancelled"})

OVERHEAD = 0.150
"""Seconds that a synchronous request may add to the engine's own time, at the median."""
HEALTH = 0.050
"""Seconds in which 99 of 100 health checks must be answered while every core recognises."""


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What was measured; times in seconds."""

    overhead: float
    """Median of a request's wall clock less the engine's time that its answer tells."""
    overhead_p95: float
    processing: float
    """Median of the engine's time."""
    health_p50: float
    health_p99: float
    checks: int
    jobs_per_second: float
    """Jobs of one second of silence, from the first submission to the last end."""

    def targets(self) -> list[Target]:
        """What it is to be, and whether it is."""
        return [
            Target(
                "overhead of a synchronous request, median",
                f"{1000 * OVERHEAD:.0f} ms at most",
                f"{1000 * self.overhead:.1f} ms",
                self.overhead <= OVERHEAD,
            ),
            Target(
                "health while every core recognises, p99",
                f"under {1000 * HEALTH:.0f} ms",
                f"{1000 * self.health_p99:.1f} ms",
                self.health_p99 < HEALTH,
            ),
        ]


class Client:
    """A server's openai dialect, as far as it is measured."""

    def __init__(self, url: str, *, key: str | None = None, model: str | None = None) -> None:
        """Talk to the server at ``url``, with an API key where it asks for one."""
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._form = {"model": model} if model else {}
        self._local = threading.local()

    def health(self) -> None:
        """Ask whether it is alive."""
        self._check(self._session.get(f"{self.url}/healthz", timeout=START_SECONDS))

    def ready(self) -> bool:
        """Whether it takes requests."""
        try:
            return self._session.get(f"{self.url}/readyz", timeout=START_SECONDS).ok
        except requests.ConnectionError:
            return False

    def answers(self) -> bool:
        """Whether it is alive."""
        try:
            return self._session.get(f"{self.url}/healthz", timeout=START_SECONDS).ok
        except requests.ConnectionError:
            return False

    def workers(self) -> int:
        """How many workers are alive behind it."""
        checks = self._session.get(f"{self.url}/readyz", timeout=START_SECONDS).json()["checks"]
        [detail] = [check["detail"] for check in checks if check["part"] == "workers"]
        return int(detail.partition(" ")[0])

    def transcribe(self, name: str, recording: bytes) -> float:
        """Send a recording and wait for its text; seconds the engine says it took."""
        response = self._post("/v1/audio/transcriptions", name, recording)
        return float(response.json()["timing"]["processing"])

    def submit(self, name: str, recording: bytes) -> str:
        """Make a job; its id."""
        return str(self._post("/v1/transcription-jobs", name, recording).json()["id"])

    def cancel(self, job: str) -> None:
        """Stop a job; one that has ended already is left as it is."""
        url = f"{self.url}/v1/transcription-jobs/{job}/cancel"
        response = self._session.post(url, timeout=START_SECONDS)
        if response.status_code != requests.codes.conflict:
            self._check(response)

    def follow(self, job: str) -> None:
        """Wait until a job has ended, as those do who follow its segments."""
        url = f"{self.url}/v1/transcription-jobs/{job}/events"
        self._check(self._session.get(url, timeout=JOB_SECONDS))

    def positions(self) -> list[tuple[str, float]]:
        """Status of each of the caller's latest hundred jobs, and how many seconds of its recording are done."""
        response = self._session.get(f"{self.url}/v1/transcription-jobs?limit=100", timeout=START_SECONDS)
        self._check(response)
        return [(str(job["status"]), float(job["position"])) for job in response.json()["data"]]

    def state(self, job: str) -> str:
        """What a job's status is."""
        response = self._session.get(f"{self.url}/v1/transcription-jobs/{job}", timeout=START_SECONDS)
        self._check(response)
        return str(response.json()["status"])

    def _post(self, path: str, name: str, recording: bytes) -> requests.Response:
        response = self._session.post(
            self.url + path, files={"file": (name, recording)}, data=self._form, timeout=JOB_SECONDS
        )
        self._check(response)
        return response

    @property
    def _session(self) -> requests.Session:
        # A session keeps its connection open, and is not for several threads.
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
            self._local.session.headers.update(self.headers)
        session: requests.Session = self._local.session
        return session

    @staticmethod
    def _check(response: requests.Response) -> None:
        if not response.ok:
            raise HarkenError(f"{response.request.url} answered {response.status_code}: {response.text[:300]}")


@contextlib.contextmanager
def started(folder: Path) -> Iterator[str]:
    """A server of our own on a free port, with its data in ``folder``; the address, until the context ends.

    Raises:
        HarkenError: it did not get ready; its log is in the message.
    """
    environment = {**os.environ, "HARKEN_DATA_DIR": str(folder / "data"), "HARKEN_HOST": "127.0.0.1"}
    environment.pop("HARKEN_DATABASE_URL", None)
    port = free_port()
    client = Client(f"http://127.0.0.1:{port}")
    log = folder / "server.log"
    with launched(["serve", "--port", str(port)], environment, log) as process:
        wait_until(client.ready, [process], log)
        yield client.url


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def launched(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``harken`` with these arguments in a process of its own that writes to ``log``, until the context ends."""
    command = [sys.executable, "-c", "from harken.cli import main; main()", *arguments]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=dict(environment))
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(ready: Callable[[], bool], processes: Sequence[subprocess.Popen[bytes]], log: Path) -> None:
    """Wait for ``ready``. Raises HarkenError with the end of ``log`` when a process ends or it takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise HarkenError(f"the server did not get ready:\n{tail}")
        time.sleep(0.1)


def measure_server(
    client: Client,
    clip: tuple[str, bytes],
    long: tuple[str, bytes],
    silence: tuple[str, bytes],
    *,
    requests_count: int = 30,
    jobs: int = 100,
    seconds: float = 10.0,
    progress: Callable[[str], None] = lambda _: None,
) -> ServerFigures:
    """Measure one after the other: overhead alone, health under load, small jobs.

    Args:
        client: the server.
        clip: name and bytes of a short recording.
        long: a long one, to keep every core busy.
        silence: one that takes the engine no time.
        requests_count: how many synchronous requests, after one to warm up.
        jobs: how many small jobs.
        seconds: how long health is asked for under load.
        progress: called with a line for people.
    """
    progress(f"overhead of {requests_count} synchronous requests")
    client.transcribe(*clip)
    overheads, processing = [], []
    for _ in range(requests_count):
        begin = time.perf_counter()
        engine = client.transcribe(*clip)
        overheads.append(time.perf_counter() - begin - engine)
        processing.append(engine)
    progress(f"health checks for {seconds:.0f} s while every core recognises")
    health = _health_under_load(client, long, seconds)
    progress(f"{jobs} small jobs")
    rate = _job_rate(client, silence, jobs)
    return ServerFigures(
        overhead=statistics.median(overheads),
        overhead_p95=percentile(overheads, 95),
        processing=statistics.median(processing),
        health_p50=statistics.median(health),
        health_p99=percentile(health, 99),
        checks=len(health),
        jobs_per_second=rate,
    )


def _health_under_load(client: Client, long: tuple[str, bytes], seconds: float) -> list[float]:
    """Answer times of health checks while twice as many recordings as cores are being recognised."""
    running = [client.submit(*long) for _ in range(2 * (os.cpu_count() or 1))]
    deadline = time.monotonic() + JOB_SECONDS
    while client.state(running[0]) == "queued" and time.monotonic() < deadline:
        time.sleep(0.05)
    taken = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        client.health()
        taken.append(time.perf_counter() - begin)
        time.sleep(0.01)
    if all(client.state(job) in ENDED for job in running):
        raise HarkenError("the recordings ended before the health checks did: give a longer one")
    for job in running:
        client.cancel(job)
    for job in running:
        _end(client, job)
    return taken


def _job_rate(client: Client, silence: tuple[str, bytes], jobs: int) -> float:
    begin = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: client.submit(*silence), range(jobs)))
    states = {_end(client, job) for job in ids}
    if states != {"completed"}:
        raise HarkenError(f"not every small job was completed: {', '.join(sorted(states))}")
    return jobs / (time.perf_counter() - begin)


def _end(client: Client, job: str) -> str:
    """The state in which a job ends."""
    deadline = time.monotonic() + JOB_SECONDS
    while (state := client.state(job)) not in ENDED:
        if time.monotonic() > deadline:
            raise HarkenError(f"job {job} is still {state} after {JOB_SECONDS:.0f} s")
        time.sleep(0.02)
    return state


def percentile(values: list[float], percent: int) -> float:
    """Of two or more values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
