# SPDX-License-Identifier: Apache-2.0
"""Callers on a host of their own: three accounts that pay, and requests that are sent again until they are answered.

What a sensible program does when a server dies in the middle of a request: the same request, with the same idempotency
key, to the other server. Knows no fault.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.hosts.cluster import FOLDER, PATIENCE, Cluster
from tests.hosts.network import enter_network
from tests.hosts.recordings import Recording

from harken.config import Settings
from harken.model import Policy
from harken.model.credits import CREDIT
from harken.wiring.accounts import offline_gate

ACCOUNTS = ("ada", "grace", "mary")
GRANTED = 10_000 * CREDIT
_JOBS = "/v1/transcription-jobs"
_AGAIN = 0.3
"""Seconds between two tries."""
_TIMEOUT = httpx.Timeout(20.0, connect=3.0)


class Client:
    """The callers. Its methods may be called from any thread; the requests are made on the client's host."""

    def __init__(self, cluster: Cluster, pool: ThreadPoolExecutor) -> None:
        self._cluster = cluster
        self._pool = pool
        self._local = threading.local()
        self._opened: list[httpx.Client] = []
        self._keys: list[str] = []
        self.refused: list[str] = []
        """What was answered in place of what was asked for, each time."""

    def make_accounts(self) -> None:
        """Open the accounts, give each a key and credits."""
        settings = Settings(
            database_url=self._cluster.database_socket,
            secret=self._cluster.secret,
            data_dir=self._cluster.folder / "keys",
        )
        with offline_gate(settings) as gate:
            for name in ACCOUNTS:
                account = gate.accounts.create(name, "chaos")
                self._keys.append(gate.accounts.create_key(account.id, name, Policy(), "chaos")[1])
                gate.accounts.grant(account.id, GRANTED, "chaos")

    def get(self, url: str) -> httpx.Response:
        """What is at a URL. Raises httpx.TransportError."""
        return self._pool.submit(lambda: self._http.get(url)).result()

    def keys(self) -> set[str]:
        """Of the recordings that the object store has, and of uploads that nobody finished."""
        cluster = self._cluster
        found = self._listed(f"{cluster.bucket_listing}/{FOLDER}/")
        return found | {f"unfinished {key}" for key in self._listed(f"{cluster.bucket_listing}/.uploads/")}

    def submit(self, recordings: Sequence[Recording]) -> list[Future[str]]:
        """Send recordings, a few at a time, each to another API than the one before; their jobs' ids."""
        return [self._pool.submit(self._submit, recording, number) for number, recording in enumerate(recordings)]

    def results(self, jobs: Sequence[str]) -> list[dict[str, Any]]:
        """The transcripts of completed jobs, in every detail."""
        paths = [f"{_JOBS}/{job}/result" for job in jobs]
        return [answer.json() for answer in self._pool.map(self._get, paths, range(len(paths)))]

    def delete(self, jobs: Sequence[str]) -> None:
        """Remove jobs, their recordings and their texts."""
        list(self._pool.map(self._delete, jobs, range(len(jobs))))

    def close(self) -> None:
        """Hang up."""
        for http in self._opened:
            http.close()

    def _listed(self, url: str) -> set[str]:
        def ask() -> httpx.Response:
            return self._http.get(url, params={"limit": "10000"}, headers={"Accept": "application/json"})

        answer = self._pool.submit(ask).result()
        if answer.status_code == 404:
            return set()
        entries = answer.raise_for_status().json()["Entries"] or []
        return {Path(entry["FullPath"]).name for entry in entries}

    @property
    def _http(self) -> httpx.Client:
        # One a thread: its sockets belong to the network that the thread is in.
        if not hasattr(self._local, "http"):
            self._local.http = httpx.Client(timeout=_TIMEOUT, trust_env=False)
            self._opened.append(self._local.http)
        http: httpx.Client = self._local.http
        return http

    def _submit(self, recording: Recording, number: int) -> str:
        key = str(uuid.uuid4())
        answer = self._persist(
            "POST",
            _JOBS,
            number,
            202,
            headers={"Idempotency-Key": key},
            files={"file": (recording.name, recording.content)},
            data=dict(recording.fields),
        )
        job: str = answer.json()["id"]
        return job

    def _get(self, path: str, number: int) -> httpx.Response:
        return self._persist("GET", path, number, 200)

    def _delete(self, job: str, number: int) -> None:
        self._persist("DELETE", f"{_JOBS}/{job}", number, 200, gone=404)

    def _persist(
        self,
        method: str,
        path: str,
        number: int,
        wanted: int,
        *,
        gone: int | None = None,
        headers: dict[str, str] | None = None,
        **content: Any,
    ) -> httpx.Response:
        """A request of account ``number``, to one API and the other, until it is answered as it should be.

        ``gone`` is another good answer, but not to the first try: that one may have been done and not answered.
        """
        key = self._keys[number % len(self._keys)]
        addresses = self._cluster.addresses
        deadline = time.monotonic() + PATIENCE
        tried = 0
        told = "nothing was tried"
        while time.monotonic() < deadline:
            url = addresses[(number // len(self._keys) + tried) % len(addresses)] + path
            tried += 1
            try:
                answer = self._http.request(
                    method, url, headers={"Authorization": f"Bearer {key}", **(headers or {})}, **content
                )
            except httpx.TransportError as error:
                told = f"{method} {path}: {type(error).__name__}"
            else:
                if answer.status_code == wanted or (answer.status_code == gone and tried > 1):
                    return answer
                told = f"{method} {path}: {answer.status_code} {answer.text[:200]}"
                assert answer.status_code >= 500 or answer.status_code == 429, told
            self.refused.append(told)
            time.sleep(_AGAIN)
        raise AssertionError(told)


@contextmanager
def calling(cluster: Cluster) -> Iterator[Client]:
    """Callers of a cluster that has been started."""
    with ThreadPoolExecutor(8, initializer=enter_network, initargs=(cluster.client,)) as pool:
        client = Client(cluster, pool)
        client.make_accounts()
        with closing(client):
            yield client
