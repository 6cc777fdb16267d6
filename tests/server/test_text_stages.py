# SPDX-License-Identifier: Apache-2.0
"""Text work on any job through the openai dialect: summaries, texts after an instruction, answers; cancel and retry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.server.conftest import PATIENCE, until

from harken.errors import TextUnavailable
from harken.model import JobState, Lane, StageKind
from harken.server.dialects.openai.answers import TranscriptionJob, TranscriptionStage

if TYPE_CHECKING:
    from tests.server.conftest import Running

JOBS = "/v1/transcription-jobs"
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "Who is Zoë?"}]}


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def job(http: httpx.Client, server: Running, recording: bytes) -> str:
    """A recording that is transcribed."""
    made = http.post(JOBS, files={"file": ("a.wav", recording)}, data={"diarize": "true"}).json()["id"]
    until(lambda: server.backend.job(made).state is JobState.COMPLETED)
    return str(made)


def accepted(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    TranscriptionStage.model_validate(told, strict=True, extra="forbid")
    assert answer.headers["location"] == f"{JOBS}/{told['job_id']}/stages/{told['id']}"
    return told


def ended(http: httpx.Client, stage: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        told: dict[str, Any] = http.get(f"{JOBS}/{stage['job_id']}/stages/{stage['id']}").json()
        TranscriptionStage.model_validate(told, strict=True, extra="forbid")
        return told if told["status"] not in ("queued", "processing") else None

    return until(look)


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def test_a_summary_of_a_recording(http: httpx.Client, server: Running, job: str) -> None:
    stage = accepted(http.post(f"{JOBS}/{job}/summary", json={"format": "bullet_points", "max_length": 30, "x": 1}))
    assert stage["warnings"] == ["the field 'x' is not known here and was ignored"]
    assert (stage["kind"], stage["status"], stage["result"]) == ("summarise", "queued", None)
    done = ended(http, stage)
    assert done["status"] == "completed"
    assert "Zoë" in done["result"]["text"]
    assert (done["result"]["model"], done["result"]["generated"]) == ("extractive", False)
    assert set(done["result"]["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert done["result"]["sources"][0] == {"index": 0, "start": 0.0, "end": 1.15}
    (kept,) = server.backend.stages.stages(job)
    assert kept.options == {"style": "bullet_points", "max_length": 30, "model": "extractive"}
    told = http.get(f"{JOBS}/{job}").json()
    TranscriptionJob.model_validate(told, strict=True, extra="forbid")
    assert [one["result"] for one in told["stages"]] == [done["result"]]


def test_bodies_may_be_left_out(http: httpx.Client, job: str) -> None:
    assert "Zoë" in ended(http, accepted(http.post(f"{JOBS}/{job}/summary")))["result"]["text"]
    text = ended(http, accepted(http.post(f"{JOBS}/{job}/formatted")))["result"]["text"]
    assert text.index("SPEAKER_00") < text.index("Zoë") < text.index("SPEAKER_01")


def test_a_text_after_an_instruction(http: httpx.Client, job: str) -> None:
    stage = accepted(http.post(f"{JOBS}/{job}/formatted", json={"instruction": "meeting notes", "model": "extractive"}))
    assert stage["kind"] == "format"
    assert "Zoë" in ended(http, stage)["result"]["text"]


def test_a_question(http: httpx.Client, server: Running, job: str) -> None:
    stage = accepted(http.post(f"{JOBS}/{job}/chat", json=QUESTION))
    assert server.backend.stages.kept[stage["id"]].lane is Lane.INTERACTIVE
    assert "Zoë" in ended(http, stage)["result"]["text"]


def test_what_nobody_can_write(http: httpx.Client, server: Running, job: str) -> None:
    for path, body, param in (
        ("summary", {"format": "sonnet"}, "format"),
        ("summary", {"max_length": 0}, "max_length"),
        ("summary", {"model": "gpt-9"}, "model"),
        ("formatted", {"instruction": 7}, "instruction"),
        ("formatted", {"instruction": "write a sonnet"}, "instruction"),
        ("chat", {}, "messages"),
        ("chat", {**QUESTION, "temperature": 3}, "temperature"),
        ("chat", {"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    ):
        assert refusal(http.post(f"{JOBS}/{job}/{path}", json=body)) == (
            400,
            "model_not_found" if "model" in body else "invalid_option",
            param,
        )
    for raw in (b"[1]", b"{", b'{"format": "\\ud800"}', b'{"x": ' + b"[" * 50_000):
        assert refusal(http.post(f"{JOBS}/{job}/summary", content=raw))[:2] == (400, "invalid_request")
    assert refusal(http.post(f"{JOBS}/{job}/summary", content=b" " * 600_000))[:2] == (413, "upload_too_large")
    assert not server.backend.stages.kept


def test_text_work_on_what_is_not_there(http: httpx.Client, server: Running, recording: bytes, job: str) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    for path in ("summary", "formatted"):
        assert refusal(http.post(f"{JOBS}/{nobody}/{path}"))[:2] == (404, "job_not_found")
    for answer in (
        http.get(f"{JOBS}/{job}/stages/{nobody}"),
        http.post(f"{JOBS}/{job}/stages/nonsense/cancel"),
        http.post(f"{JOBS}/{job}/stages/{nobody}/retry"),
    ):
        assert refusal(answer)[:2] == (404, "stage_not_found")
    server.backend.hold()
    running = http.post(JOBS, files={"file": ("b.wav", recording)}).json()["id"]
    assert refusal(http.post(f"{JOBS}/{running}/summary"))[:2] == (409, "job_not_finished")


def test_a_stage_is_cancelled_and_done_again(http: httpx.Client, server: Running, job: str) -> None:
    server.backend.texts.held.set()
    stage = accepted(http.post(f"{JOBS}/{job}/summary", json={"max_length": 9}))
    assert refusal(http.post(f"{JOBS}/{job}/summary"))[:2] == (409, "stage_running")
    cancelled = http.post(f"{JOBS}/{job}/stages/{stage['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert refusal(http.post(f"{JOBS}/{job}/stages/{stage['id']}/cancel"))[:2] == (409, "job_already_ended")
    server.backend.texts.held.clear()
    server.backend.unwritten = TextUnavailable("nobody answers")
    failed = ended(http, accepted(http.post(f"{JOBS}/{job}/stages/{stage['id']}/retry")))
    assert failed["error"] == {"code": "text_unavailable", "message": "nobody answers"}
    assert failed["result"] is None
    server.backend.unwritten = None
    again = accepted(http.post(f"{JOBS}/{job}/stages/{failed['id']}/retry"))
    assert len({stage["id"], failed["id"], again["id"]}) == 3
    assert "Zoë" in ended(http, again)["result"]["text"]
    assert {one.options["max_length"] for one in server.backend.stages.stages(job)} == {9}
    assert {one.kind for one in server.backend.stages.stages(job)} == {StageKind.SUMMARISE}
