# SPDX-License-Identifier: Apache-2.0
"""Segments over a web socket: a real server, and clients of the websockets library."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from tests.server.conftest import PATIENCE, TEXT, until, wav
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from harken import errors
from harken.model import Segment, Window, WindowResult
from harken.server import desk, polling, serving

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve

Message = dict[str, Any]
Live = Callable[..., ClientConnection]
DOCUMENTED = ("start", "end", "text", "speaker", "speaker_confidence", "start_display", "end_display")


def start(server: Running, **headers: str) -> str:
    answer = httpx.post(f"{server.url}/api/transcribe/", files={"file": wav()}, headers=headers)
    return str(answer.json()["job_id"])


@pytest.fixture
def live() -> Iterator[Live]:
    """Opens sockets that listen to a job, or are told why not; they are closed at the end."""
    with contextlib.ExitStack() as stack:

        def open_socket(server: Running, job: str, **options: Any) -> ClientConnection:
            url = options.pop("url", f"ws://127.0.0.1:{server.port}/api/transcribe/live/{job}")
            connection: ClientConnection = stack.enter_context(
                connect(url, proxy=None, open_timeout=PATIENCE, ping_interval=None, **options)
            )
            return connection

        yield open_socket


def hear(listener: ClientConnection) -> Message:
    """The next message."""
    message: Message = json.loads(listener.recv(PATIENCE))
    return message


def rest(listener: ClientConnection) -> tuple[list[Message], int]:
    """All that is said until the socket closes, and the code it closes with."""
    told = []
    with contextlib.closing(listener):
        try:
            while True:
                told.append(hear(listener))
        except ConnectionClosed as end:
            return told, end.rcvd.code if end.rcvd else 1006


def segments(told: list[Message]) -> list[Message]:
    return [message for message in told if message["type"] == "segment"]


def statuses(told: list[Message]) -> list[Message]:
    return [message for message in told if message["type"] == "status"]


def refused(listener: ClientConnection) -> tuple[str, int]:
    """What a socket is told that is refused, and the code it closes with."""
    told, code = rest(listener)
    assert [(message["type"], message["status"]) for message in told] == [("status", "failed")]
    return str(told[0]["message"]), code


def listeners(server: Running, job: str) -> int:
    return int(httpx.get(f"{server.url}/api/transcribe/debug/{job}").json()["listeners"])


def check(told: list[Message], *, speakers: bool = False) -> None:
    """The whole story of the canned talk: every segment once and in order, statuses that go on and end well."""
    assert " ".join(message["text"] for message in segments(told)) == TEXT
    for message in segments(told):
        assert set(message) == {"type", *DOCUMENTED, "words"}
        assert (message["speaker"] is not None) is speakers
    assert told[0]["status"] == "processing"
    assert [message["status"] for message in statuses(told)[1:-1] if message["status"] != "processing"] == []
    assert (told[-1]["status"], told[-1]["progress"]) == ("completed", 100)
    assert told[-1]["chunk_info"] == {"current_chunk": 1, "total_chunks": 1, "chunk_progress": 100}
    progress = [message["progress"] for message in statuses(told)]
    assert progress == sorted(progress)
    assert {type(value) for value in progress} == {int}


def test_before(server: Running, live: Live) -> None:
    server.backend.hold()
    job = start(server)
    listener = live(server, job)
    first = hear(listener)
    assert first == {
        "type": "status",
        "status": "processing",
        "message": "Waiting for its turn",
        "progress": 0,
        "chunk_info": {"current_chunk": 1, "total_chunks": 1, "chunk_progress": 0},
    }
    server.backend.let(1)
    until(lambda: (message := hear(listener))["type"] == "segment" and message["text"].startswith("Hello"))
    server.backend.let(2)
    told, code = rest(listener)
    assert [message["text"] for message in segments(told)] == ["how are <you>?"]
    assert told[-1]["status"] == "completed"
    assert code == 1000


def test_during_two_listen(server: Running, live: Live) -> None:
    server.backend.hold()
    job = start(server)
    early = live(server, job)
    server.backend.let(1)
    # One look for all: a later listener is told what the earlier one has been.
    heard = [hear(early)]
    while heard[-1]["type"] != "segment":
        heard.append(hear(early))
    late = live(server, job)
    first = [hear(late), hear(late)]
    assert first[0]["type"] == "status"
    assert (first[0]["progress"], first[1]["text"]) == (40, "Hello there, Zoë")
    until(lambda: listeners(server, job) == 2)
    server.backend.go()
    told, code = rest(early)
    check([*heard, *told])
    assert code == 1000
    told, code = rest(late)
    check([*first, *told])
    assert code == 1000
    until(lambda: listeners(server, job) == 0)


def test_after_with_who_speaks(server: Running, live: Live) -> None:
    job = start(server)
    until(lambda: server.backend.job(job).state.ended)
    told, code = rest(live(server, job))
    check(told, speakers=True)
    assert code == 1000
    result = httpx.get(f"{server.url}/api/transcribe/result/{job}").json()["segments"]
    assert [{"type": "segment", **segment} for segment in result] == segments(told)


def test_many_hear_the_same(server: Running) -> None:
    """Two hundred sockets on one job, and no segment is lost."""
    server.backend.hold()
    job = start(server)
    url = f"ws://127.0.0.1:{server.port}/api/transcribe/live/{job}"

    async def listen() -> tuple[list[Message], int | None]:
        async with (
            asyncio.timeout(PATIENCE * 3),
            connect_async(url, proxy=None, open_timeout=None, ping_interval=None) as connection,
        ):
            told = [json.loads(message) async for message in connection]
            return told, connection.close_code

    async def everyone() -> list[tuple[list[Message], int | None]]:
        waiting = [asyncio.create_task(listen()) for _ in range(200)]
        await asyncio.to_thread(until, lambda: listeners(server, job) == 200)
        for _ in server.backend.results:
            server.backend.let(1)
        return await asyncio.gather(*waiting)

    for told, code in asyncio.run(everyone()):
        check(told)
        assert code == 1000


def test_silence_is_not_sent(server: Running, live: Live) -> None:
    server.backend.results.insert(1, WindowResult(Window(1.2, 1.3), (Segment(1.2, 1.3, " "),)))
    server.backend.hold()
    job = start(server)
    listener = live(server, job)
    hear(listener)
    server.backend.go()
    assert [message["text"] for message in segments(rest(listener)[0])] == ["Hello there, Zoë", "how are <you>?"]
    told, _ = rest(live(server, job))
    assert [message["text"] for message in segments(told)] == ["Hello there, Zoë", "how are <you>?"]


def test_a_job_of_another_door(server: Running, live: Live) -> None:
    job = httpx.post(f"{server.url}/v1/transcription-jobs", files={"file": wav()}).json()["id"]
    check(rest(live(server, job))[0])


@pytest.mark.parametrize("job", [str(uuid.UUID(int=7)), "nonsense"])
def test_a_job_that_is_not_there(server: Running, live: Live, job: str) -> None:
    said, code = refused(live(server, job))
    assert "there is no" in said
    assert code == 4404


def test_a_job_that_fails_and_one_that_has(server: Running, live: Live) -> None:
    server.backend.hold()
    job = start(server)
    listener = live(server, job)
    server.backend.let(1)
    until(lambda: server.backend.windows(job))
    server.backend.failure = errors.RecogniserCrashed("it broke here")
    server.backend.go()
    for _ in range(2):
        told, code = rest(listener)
        listener = live(server, job)
        assert [message["text"] for message in segments(told)] == ["Hello there, Zoë"]
        assert told[0]["status"] == "processing"
        assert (told[-1]["status"], told[-1]["message"]) == ("failed", "it broke here")
        assert [message["status"] for message in statuses(told)].count("failed") == 1
        assert code == 1000


def test_a_job_that_is_cancelled(server: Running, live: Live) -> None:
    server.backend.hold()
    job = start(server)
    listener = live(server, job)
    hear(listener)
    httpx.post(f"{server.url}/v1/transcription-jobs/{job}/cancel")
    told, code = rest(listener)
    assert (told[-1]["status"], told[-1]["message"], code) == ("failed", "The job was cancelled", 1000)


def test_a_job_that_is_deleted(server: Running, live: Live) -> None:
    server.backend.hold()
    job = start(server)
    listener = live(server, job)
    hear(listener)
    server.backend.delete(job)
    told, code = rest(listener)
    assert (told[-1]["status"], code) == ("failed", 4404)


def test_who_leaves_is_forgotten(server: Running, live: Live) -> None:
    server.backend.hold()
    job = start(server)
    staying, leaving = live(server, job), live(server, job)
    leaving.send("whatever clients say")
    until(lambda: listeners(server, job) == 2)
    leaving.close()
    until(lambda: listeners(server, job) == 1)
    server.backend.go()
    check(rest(staying)[0])


def test_who_comes_when_all_have_left(server: Running, live: Live) -> None:
    server.backend.hold()
    job = start(server)
    first = live(server, job)
    hear(first)
    first.close()
    until(lambda: listeners(server, job) == 0)
    again = live(server, job)
    hear(again)
    server.backend.go()
    assert rest(again)[0][-1]["status"] == "completed"


def test_a_database_that_is_away_for_a_moment_is_not_noticed(server: Running, live: Live) -> None:
    server.backend.hold()
    job = start(server)
    listener = live(server, job)
    hear(listener)
    server.backend.away = 5
    until(lambda: server.backend.away == 0)
    server.backend.go()
    assert rest(listener)[0][-1]["status"] == "completed"


# Readers that are slow


def talk(windows: int, size: int) -> list[WindowResult]:
    """A long talk of few words, each as long as ``size``."""
    return [
        WindowResult(
            Window(float(index), index + 1.0),
            (Segment(float(index), index + 1.0, f" {index}{'x' * size}"),),
            language="en",
        )
        for index in range(windows)
    ]


@contextlib.contextmanager
def sluggish(live: Live, server: Running, job: str) -> Iterator[ClientConnection]:
    """A client with room for little that it has not read."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        yield live(server, job, sock=connection, max_queue=1, close_timeout=0)


def test_a_slow_reader_holds_nobody_up_and_misses_nothing(server: Running, live: Live) -> None:
    server.backend.results = talk(300, 40_000)
    server.backend.hold()
    job = start(server)
    with sluggish(live, server, job) as slow:
        quick = live(server, job)
        server.backend.go()
        told, code = rest(quick)
        assert len(segments(told)) == 300
        assert code == 1000
        assert listeners(server, job) == 1, "what the slow one has not read is not in memory"
        late, code = rest(slow)
    assert segments(late) == segments(told)
    assert (late[-1], code) == (told[-1], 1000)


def test_who_never_reads_is_dropped(server: Running, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "STUCK", 0.2)
    server.backend.results = talk(300, 40_000)
    server.backend.hold()
    job = start(server)
    with sluggish(live, server, job) as stuck:
        until(lambda: listeners(server, job) == 1)
        server.backend.go()
        until(lambda: listeners(server, job) == 0)
        told, code = rest(stuck)
    assert (len(segments(told)) < 300, code) == (True, 1006)


# Who may listen


def test_keys(serve: Serve, live: Live) -> None:
    server = serve(api_keys=("mine", "a key/with=more"))
    mine = {"Authorization": "Bearer mine"}
    job = start(server, **mine)
    told, code = rest(live(server, job, additional_headers=mine))
    assert (told[-1]["status"], code) == ("completed", 1000)
    for key in ("mine", quote("mine")):
        listener = live(server, job, subprotocols=[Subprotocol("bearer"), Subprotocol(key)])
        assert listener.subprotocol == "bearer"
        assert rest(listener)[1] == 1000
    for options in (
        {},
        {"additional_headers": {"Authorization": "Bearer yours"}},
        {"subprotocols": [Subprotocol("bearer"), Subprotocol("yours")]},
        {"subprotocols": [Subprotocol("bearer")]},
        {"subprotocols": [Subprotocol("chat"), Subprotocol("mine")]},
    ):
        said, code = refused(live(server, job, **options))
        assert "key" in said
        assert code == 4401


def test_a_key_that_no_subprotocol_can_be_is_written_as_in_a_url(serve: Serve, live: Live) -> None:
    server = serve(api_keys=("a/key+with=more",))
    job = start(server, Authorization="Bearer a/key+with=more")
    listener = live(server, job, subprotocols=[Subprotocol("bearer"), Subprotocol(quote("a/key+with=more", safe=""))])
    assert rest(listener)[1] == 1000


def test_jobs_of_others_are_not_there(serve: Serve, live: Live) -> None:
    server = serve(api_keys=("mine", "yours"))
    job = start(server, Authorization="Bearer mine")
    assert refused(live(server, job, additional_headers={"Authorization": "Bearer yours"}))[1] == 4404


def test_pages_of_others(serve: Serve, live: Live) -> None:
    server = serve(cors_origins=("https://page.example",))
    job = start(server)
    for origin in (None, "https://page.example", f"http://127.0.0.1:{server.port}", f"https://127.0.0.1:{server.port}"):
        assert rest(live(server, job, origin=origin and Origin(origin)))[1] == 1000
    for origin in ("https://evil.example", "http://127.0.0.1:1", "null", "http://[", "https://page.example.evil"):
        said, code = refused(live(server, job, origin=Origin(origin)))
        assert "HARKEN_CORS_ORIGINS" in said
        assert code == 4403
    anywhere = serve(cors_origins=("*",))
    assert rest(live(anywhere, start(anywhere), origin=Origin("https://evil.example")))[1] == 1000


def test_names_of_others(server: Running, live: Live) -> None:
    job = start(server)
    # A page under a name of its own that leads here: its host and its origin are the same.
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        url = f"ws://evil.example/api/transcribe/live/{job}"
        said, code = refused(live(server, job, url=url, sock=connection, origin=Origin("http://evil.example")))
    assert "localhost" in said
    assert code == 4403


def test_too_many(serve: Serve, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "SOCKETS", 1)
    server = serve()
    server.backend.hold()
    job = start(server)
    listener = live(server, job)
    hear(listener)
    assert refused(live(server, job))[1] == 1013
    server.backend.go()
    assert rest(listener)[1] == 1000
    hasty = serve(requests_per_minute=2)
    job = start(hasty)
    assert rest(live(hasty, job))[1] == 1000
    assert refused(live(hasty, job))[1] == 1013


def test_there_is_no_other_socket(server: Running, live: Live) -> None:
    with pytest.raises(InvalidStatus) as answer:
        live(server, "", url=f"ws://127.0.0.1:{server.port}/api/transcribe/nothing")
    assert answer.value.response.status_code == 403


# The server's own


def test_a_server_that_stops_says_so(server: Running, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    server.backend.hold()
    job = start(server)
    listener = live(server, job)
    hear(listener)
    server.backend.let(1)
    until(lambda: hear(listener)["type"] == "segment")
    # The feed looks rarely now, so uvicorn would be first to close.
    monkeypatch.setattr(polling, "GROWTH", 1e9)
    monkeypatch.setattr(polling, "LAST", 1.0)
    assert hear(listener)["type"] == "status"
    server.http.should_exit = True
    told, code = rest(listener)
    assert told[-1]["status"] == "processing", "the job goes on"
    assert "stopping" in told[-1]["message"]
    assert code == 1012


def test_a_fault_of_ours(
    server: Running, live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.backend.hold()
    job = start(server)
    listener = live(server, job, additional_headers={"X-Request-ID": "mine-1"})
    assert listener.response is not None
    assert listener.response.headers["X-Request-ID"] == "mine-1"
    hear(listener)
    monkeypatch.setattr(server.backend, "windows", lambda *_: 1 / 0)
    told, code = rest(listener)
    assert (told[-1]["status"], code) == ("failed", 1011)
    assert "division" not in told[-1]["message"]
    assert "mine-1" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_no_log_has_a_key(serve: Serve, live: Live, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "uvicorn")
    caplog.set_level(logging.DEBUG)
    server = serve(api_keys=("precious",))
    job = start(server, Authorization="Bearer precious")
    assert rest(live(server, job, additional_headers={"Authorization": "Bearer precious"}))[1] == 1000
    assert rest(live(server, job, subprotocols=[Subprotocol("bearer"), Subprotocol("precious")]))[1] == 1000
    assert refused(live(server, f"{job}?key=precious"))[1] == 4401
    ours = [record for record in caplog.records if not record.name.startswith(("websockets", "httpcore"))]
    assert "precious" not in " ".join(record.getMessage() for record in ours)
