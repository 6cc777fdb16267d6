# SPDX-License-Identifier: Apache-2.0
"""A server as it is started, on a folder of its own and without workers; its administrator, over HTTP."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from tests.server.conftest import PATIENCE, until, wav

from harken.config import Settings
from harken.server import serving
from harken.server.app import AppConfig, create_app
from harken.service import Office
from harken.wiring import api as wiring
from harken.wiring.accounts import Gate

API = "/admin/api"


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str
    app: FastAPI
    gate: Gate
    office: Office
    password: str
    database: Path

    def client(self, **more: Any) -> httpx.Client:
        """A browser, say, without a session yet."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE, **more)

    @contextlib.contextmanager
    def administrator(self) -> Iterator[httpx.Client]:
        """Somebody who has logged in, and whose requests carry the session's token."""
        with self.client() as client:
            answer = client.post(f"{API}/login", json={"password": self.password})
            assert answer.status_code == 200, answer.text
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
            yield client

    def key(self, client: httpx.Client, **asked: Any) -> str:
        """A new key of a new account."""
        account = client.post(f"{API}/accounts", json={"name": "of a test"}).json()["id"]
        made = client.post(f"{API}/tokens", json={"account": account, "name": "of a test", **asked})
        assert made.status_code == 201, made.text
        return str(made.json()["key"])

    def job(self, key: str, name: str = "talk.wav") -> str:
        """A job that waits, since nobody works here."""
        answer = httpx.post(
            f"{self.url}/v1/transcription-jobs",
            files={"file": (name, wav(1.0))},
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE,
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])


@contextlib.contextmanager
def served(folder: Path, source: Path | None = None) -> Iterator[Served]:
    """A server with its data, and its models, in ``folder``; further models come from ``source``, and nowhere else."""
    settings = Settings(
        data_dir=folder / "data",
        models_dir=folder / "models",
        model_source=source,
        offline=True,
        hub_url="http://someone:hush@127.0.0.1:1/hub?token=hush",
        secret="hush " * 10,
        api_keys=("hush-key" * 2,),
        min_free_bytes=0,
    )
    with contextlib.ExitStack() as stack:
        service, _, gate, office = stack.enter_context(wiring.service(settings))
        password = gate.admin.first_password()
        assert password is not None
        app = create_app(service, gate, AppConfig(wrong_keys_per_minute=10**6), office)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        http = serving.server(app, drain=2)
        thread = threading.Thread(target=http.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            until(lambda: http.started)
            yield Served(
                f"http://127.0.0.1:{listener.getsockname()[1]}", app, gate, office, password, settings.database_path
            )
        finally:
            http.should_exit = True
            thread.join(PATIENCE)
