# SPDX-License-Identifier: Apache-2.0
"""``harken serve`` with real jobs, and every one of its processes killed in the middle of them.

The job ends, its text is what it is without the kill, what was saved is not done again, nothing is left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import sqlalchemy as sa
from tests.worker.conftest import eventually, gone

from harken.store import connect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE = 180.0
"""Seconds that a test waits for what must happen, at most."""
_NOTE = "INSERT INTO written VALUES (new.job_id, new.idx)"
TRIGGERS = {
    "sqlite": [
        "CREATE TABLE written (job_id TEXT, idx INTEGER)",
        f"CREATE TRIGGER note_insert BEFORE INSERT ON harken_windows BEGIN {_NOTE}; END",
        f"CREATE TRIGGER note_update BEFORE UPDATE ON harken_windows BEGIN {_NOTE}; END",
    ],
    "postgresql": [
        "CREATE TABLE written (job_id TEXT, idx INTEGER)",
        f"CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_NOTE}; RETURN new; END $$",
        "CREATE TRIGGER note BEFORE INSERT OR UPDATE ON harken_windows FOR EACH ROW EXECUTE FUNCTION note()",
    ],
}
"""Every time that a window is saved leaves a row. Before, not after: also when it is there and nothing is inserted."""


PART_SECONDS = 13
"""Each part of the recording is a window of 6 s of speech, and 7 s of silence."""


class Server:
    """``harken serve`` in a process of its own, and what can be seen of it from outside."""

    def __init__(self, folder: Path, database: Path | str) -> None:
        self.folder = folder
        self.database = database
        self.log = folder / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.seen: set[int] = set()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE)
        self.process = self.command()

    def command(self) -> subprocess.Popen[bytes]:
        environment = {
            "HARKEN_DATA_DIR": str(self.folder / "data"),
            "HARKEN_CHILDREN": "1",
            "HARKEN_BATCH_SIZE": "1",
            "HARKEN_DEAD_AFTER": "8",
            "HARKEN_INTERACTIVE_SECONDS": "0",
            **({"HARKEN_DATABASE_URL": self.database} if isinstance(self.database, str) else {}),
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [str(Path(sys.executable).with_name("harken")), "serve", "--port", str(self.port)],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> None:
        assert eventually(self._ready, PATIENCE), self.log.read_text()
        self.look()

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/readyz").status_code == 200
        return False

    def look(self) -> list[psutil.Process]:
        """All its processes as of now."""
        found: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self.process.pid)
            found = [top, *top.children(recursive=True)]
        self.seen.update(process.pid for process in found)
        return found

    def part(self, name: str) -> int:
        """Process id of the API, the worker or the child that recognises."""

        def found() -> list[int]:
            pids = []
            for process in self.look():
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    command = process.cmdline()
                    if process.name() == name or (len(command) > 3 and command[2:4] == ["harken.cli.internal", name]):
                        pids.append(process.pid)
            return pids

        assert eventually(lambda: len(found()) == 1), f"no {name} among {self.look()}"
        return found()[0]

    def submit(self, recording: Path) -> str:
        with recording.open("rb") as file:
            answer = self.http.post("/v1/transcription-jobs", files={"file": file}, data={"language": "en"})
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        """The job, however often the API is killed meanwhile."""
        answers: list[httpx.Response] = []

        def answered() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answers.append(self.http.get(f"/v1/transcription-jobs/{job_id}"))
            return bool(answers)

        assert eventually(answered)
        assert answers[0].status_code == 200, answers[0].text
        found: dict[str, Any] = answers[0].json()
        return found

    def wait(self, job_id: str, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        assert eventually(lambda: what(self.job(job_id)), PATIENCE), f"{self.job(job_id)}\n{self.log.read_text()}"
        return self.job(job_id)

    def text(self, job_id: str) -> str:
        job = self.wait(job_id, lambda job: job["status"] in {"completed", "failed", "cancelled"})
        assert job["status"] == "completed", job
        answer = self.http.get(f"/v1/transcription-jobs/{job_id}/result", params={"response_format": "text"})
        assert answer.status_code == 200
        return answer.text

    def begin(self, recording: Path) -> str:
        """Submit a recording and wait until it is in its middle: three windows saved, two of them in one chapter."""
        job_id = self.submit(recording)
        job = self.wait(job_id, lambda job: job["position"] > 2 * PART_SECONDS)
        assert job["status"] == "processing", job
        return job_id

    def sql(self, *statements: str) -> list[Any]:
        """What the last of these statements gives."""
        database = self.folder / "data" / "harken.sqlite" if isinstance(self.database, Path) else self.database
        engine = connect(database)
        try:
            with engine.begin() as connection:
                for statement in statements:
                    result = connection.execute(sa.text(statement))
                return list(result) if result.returns_rows else []
        finally:
            engine.dispose()

    def saved(self, job_id: str) -> Counter[int]:
        """How often each window of a job was saved."""
        return Counter(row.idx for row in self.sql(f"SELECT idx FROM written WHERE job_id = '{job_id}'"))

    def check_saved(self, job_id: str) -> None:
        """Every window was saved, and at most one step, here a window, twice."""
        saved = self.saved(job_id)
        assert sorted(saved) == list(range(len(saved)))
        assert saved.total() <= len(saved) + 1, f"saved windows were done again: {saved}"

    def stop(self) -> None:
        self.look()
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()
        assert eventually(lambda: gone(sorted(self.seen))), "processes were left"

    def close(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, base_model: Path, vad_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all kills, each of which must leave it as good as new."""
    assert base_model.parent == vad_model.parent.parent, "the server looks in the same folder"
    folder = tmp_path_factory.mktemp("server")
    database: Path | str = folder
    with contextlib.ExitStack() as stack:
        if request.param == "postgresql":
            database = stack.enter_context(_database(request.getfixturevalue("postgres_server")))
        server = Server(folder, database)
        stack.callback(server.close)
        server.wait_ready()
        server.sql(*TRIGGERS[request.param])
        yield server
        server.stop()


@contextlib.contextmanager
def _database(postgres: str) -> Iterator[str]:
    with psycopg.connect(f"{postgres}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE kills")
        yield f"{postgres}/kills"
        connection.execute("DROP DATABASE kills WITH (FORCE)")


@pytest.fixture(scope="module")
def undisturbed(server: Server, recording: Path) -> str:
    """The text of the recording, when nothing is killed."""
    job_id = server.submit(recording)
    text = server.text(job_id)
    assert "best of times" in text
    assert set(server.saved(job_id).values()) == {1}
    assert len(server.saved(job_id)) >= 5
    return text


@pytest.mark.parametrize(
    ("part", "number"),
    [
        ("worker", signal.SIGKILL),
        ("worker", signal.SIGSTOP),
        ("api", signal.SIGKILL),
        ("harken-engine", signal.SIGSEGV),
        ("harken-engine", signal.SIGKILL),
    ],
)
def test_a_kill_in_the_middle_of_a_recording_changes_nothing(
    server: Server, recording: Path, undisturbed: str, part: str, number: signal.Signals
) -> None:
    job_id = server.begin(recording)
    victim = server.part(part)
    os.kill(victim, number)
    assert server.text(job_id) == undisturbed
    assert eventually(lambda: gone([victim]))
    server.check_saved(job_id)
    assert server.part(part) != victim


def test_a_server_that_is_killed_goes_on_where_it_was(server: Server, recording: Path, undisturbed: str) -> None:
    job_id = server.begin(recording)
    pids = [process.pid for process in server.look()]
    assert len(pids) >= 6
    server.process.kill()
    server.process.wait()
    assert eventually(lambda: gone(pids)), "processes outlive the supervisor"
    server.process = server.command()
    server.wait_ready()
    assert server.text(job_id) == undisturbed
    server.check_saved(job_id)


def test_a_server_that_is_stopped_goes_on_where_it_was(server: Server, recording: Path, undisturbed: str) -> None:
    job_id = server.begin(recording)
    server.stop()
    before = server.saved(job_id)
    assert before
    server.process = server.command()
    server.wait_ready()
    assert server.text(job_id) == undisturbed
    assert set(server.saved(job_id).values()) == {1}


def test_who_waits_is_told_that_the_server_stops(server: Server, recording: Path, undisturbed: str) -> None:
    """Both who waits for the answer and who listens; their jobs go on."""

    def ask(**fields: str) -> httpx.Response:
        with httpx.Client(base_url=server.http.base_url, timeout=PATIENCE) as client, recording.open("rb") as file:
            data = {"language": "en", **fields}
            return client.post("/v1/audio/transcriptions", files={"file": file}, data=data)

    def begun() -> bool:
        jobs = [server.job(row.job_id) for row in server.sql("SELECT DISTINCT job_id FROM written")]
        return [job["status"] for job in jobs].count("processing") == 2

    with ThreadPoolExecutor(2) as threads:
        waiting, listening = threads.submit(ask), threads.submit(ask, stream="true")
        assert eventually(begun)
        server.stop()
        told, heard = waiting.result(PATIENCE), listening.result(PATIENCE)
    assert told.status_code == 503
    assert int(told.headers["Retry-After"]) >= 1
    problem = told.json()["error"]
    assert problem["message"].startswith("the server is stopping; job ")
    job_id = told.headers["X-Harken-Job"]
    assert job_id in problem["message"]
    assert heard.status_code == 200
    assert "the server is stopping" in heard.text.rstrip().splitlines()[-1]
    server.process = server.command()
    server.wait_ready()
    assert server.text(job_id) == undisturbed
    assert server.text(heard.headers["X-Harken-Job"]) == undisturbed


def test_a_second_server_on_the_data_folder_is_refused(server: Server) -> None:
    second = server.command()
    assert second.wait(PATIENCE) != 0
    assert f"in use by the server with process id {server.process.pid}" in server.log.read_text()
    assert server.http.get("/healthz").status_code == 200
