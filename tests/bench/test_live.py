# SPDX-License-Identifier: Apache-2.0
"""Measuring live listeners, on a server whose segments the test knows and can have lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from harken.bench.live import LiveFigures, measure_live
from harken.bench.server import Client
from harken.errors import HarkenError

RECORDING = ("talk.wav", b"sound")


@dataclass
class Stage:
    """What is told of every job: ``segments``, one when the one before has been heard by all who are there."""

    segments: int = 200
    fault: str = ""
    at: int = 9
    """The listener, by the order of coming, whom the ``fault`` hits: not one of the first seven, among whom is the one
    whose hearing has the others come, and not the last."""
    ending: str = "completed"
    jobs: int = 0
    cancelled: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    came: dict[str, int] = field(default_factory=dict)

    def tell(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        job = socket.request.path.rpartition("/")[2]
        with self.lock:
            number = self.came[job] = self.came.get(job, -1) + 1
        told = [{"start": float(index), "end": index + 1.0, "text": f" s{index}"} for index in range(self.segments)]
        if self.fault and number == self.at and self.jobs > 2:
            match self.fault:
                case "lost":
                    del told[3]
                case "repeated":
                    told.insert(4, told[3])
                case "disordered":
                    told[3], told[4] = told[4], told[3]
        socket.send(json.dumps({"type": "status", "status": "processing", "progress": 0}))
        for segment in told:
            time.sleep(0.01)
            socket.send(json.dumps(segment))
        if not (self.fault == "unfinished" and number == self.at and self.jobs > 2):
            socket.send(json.dumps({"type": "status", "status": self.ending, "progress": 100}))


class Loopback(Client):
    def __init__(self, url: str, stage: Stage) -> None:
        super().__init__(url, key="k")
        self.stage = stage

    def submit(self, name: str, recording: bytes) -> str:
        assert (name, recording) == RECORDING
        self.stage.jobs += 1
        return f"job-{self.stage.jobs}"

    def cancel(self, job: str) -> None:
        self.stage.cancelled.append(job)

    def health(self) -> None:
        pass


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def client(stage: Stage) -> Iterator[Loopback]:
    server: Server
    with serve(stage.tell, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Loopback(f"http://127.0.0.1:{server.socket.getsockname()[1]}", stage)
        server.shutdown()
        thread.join()


def measured(client: Loopback) -> LiveFigures:
    return measure_live(client, RECORDING, rounds=2, listeners=12)


def test_all_is_heard_by_all(client: Loopback, stage: Stage) -> None:
    found = measured(client)
    assert (found.listeners, found.segments) == (12, 200)
    assert (found.lost, found.repeated, found.disordered, found.unfinished) == (0, 0, 0, 0)
    assert 0 < found.first_p50 <= found.first_p95
    assert 0 <= found.lag_p50 <= found.lag_p99
    assert stage.cancelled == ["job-1", "job-2", "job-3"], "the first is to warm up"
    assert stage.came["job-4"] == 13, "twelve, the one before them and the one behind"
    assert all(target.reached for target in replace(found, first_p50=1.0).targets())
    assert not replace(found, first_p50=9.0).targets()[0].reached


@pytest.mark.parametrize("fault", ["lost", "repeated", "disordered", "unfinished"])
def test_what_one_listener_misses_is_counted(client: Loopback, stage: Stage, fault: str) -> None:
    stage.fault = fault
    found = measured(client)
    wrong = {name: getattr(found, name) for name in ("lost", "repeated", "disordered", "unfinished")}
    assert wrong == {**dict.fromkeys(wrong, 0), fault: 1}
    assert not found.targets()[1].reached


def test_a_job_that_fails_is_no_measurement(client: Loopback, stage: Stage) -> None:
    stage.segments, stage.ending = 0, "failed"
    with pytest.raises(HarkenError, match="no live segment; it ended as failed"):
        measured(client)


def test_a_recording_that_is_too_short_says_so(client: Loopback, stage: Stage) -> None:
    stage.segments = 1
    with pytest.raises(HarkenError, match="give a longer one"):
        measured(client)
