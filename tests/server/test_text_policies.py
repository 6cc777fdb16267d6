# SPDX-License-Identifier: Apache-2.0
"""What a key may that is for texts: no recordings, and no language model that its policy does not name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.server.conftest import until

from harken.config import Settings
from harken.errors import Forbidden, UnknownModel
from harken.model import EVERYDAY, Format, Options, Policy, Scope, Summarise
from harken.models.catalog import Catalog
from harken.service import Caller
from harken.service.policy import admit, admit_text
from harken.text import extractive
from harken.wiring.accounts import offline_gate

if TYPE_CHECKING:
    from tests.server.conftest import Running

JOBS = "/v1/transcription-jobs"


def test_a_key_for_texts_ends_texts_and_no_recordings(server: Running, recording: bytes) -> None:
    account = server.gate.account("a customer")
    texts, all_of_it = (
        {"Authorization": f"Bearer {key}"} for key in (server.gate.key(account, Scope.TEXT), server.gate.key(account))
    )
    server.backend.hold()
    made = httpx.post(server.url + JOBS, files={"file": ("a.wav", recording)}, headers=all_of_it)
    job = f"{server.url}{JOBS}/{made.json()['id']}"
    for method, path in (("POST", "/cancel"), ("DELETE", "")):
        refused = httpx.request(method, job + path, headers=texts)
        assert refused.status_code == 403
        assert "'transcribe'" in refused.json()["error"]["message"]
    assert httpx.get(job, headers=all_of_it).json()["status"] in ("queued", "processing")
    server.backend.go()
    until(lambda: httpx.get(job, headers=all_of_it).json()["status"] == "completed")
    body = {"full_text": "We met. We spoke of the harbour. We agreed to build it."}
    own = httpx.post(server.url + "/api/summary/", json=body, headers=texts).json()["job_id"]
    assert httpx.delete(f"{server.url}{JOBS}/{own}", headers=texts).status_code < 300
    server.clean()


def test_a_span_of_a_recording_is_heard_by_who_may_read_it(server: Running, recording: bytes) -> None:
    account = server.gate.account("a customer")
    all_of_it, hears = (
        {"Authorization": f"Bearer {key}"}
        for key in (server.gate.key(account), server.gate.key(account, Scope.TRANSCRIBE))
    )
    made = httpx.post(server.url + JOBS, files={"file": ("a.wav", recording)}, headers=all_of_it).json()["id"]
    span = {"segment_id": "seg-1", "start_time": 1.4, "end_time": 2.9}
    where = f"{server.url}/api/retranslate/segment-from-full?job_id={made}"
    refused = httpx.post(where, json=span, headers=hears)
    assert refused.status_code == 403
    assert "'jobs:read'" in refused.json()["detail"]
    assert httpx.post(where, json=span, headers=all_of_it).status_code == 200
    server.clean()


def test_models_that_write_are_named_too() -> None:
    caller = Caller("me", policy=Policy(EVERYDAY, models=("base", "gpt-large")))
    for model in ("gpt-large", extractive.NAME):
        admit_text(caller, model)
        admit(caller, Options(model="base", summary=Summarise(model=model)), Catalog())
    admit_text(Caller("me"), "gpt-other")
    for task in ({"summary": Summarise(model="gpt-other")}, {"formatting": Format("x", model="gpt-other")}):
        with pytest.raises(Forbidden, match="gpt-other") as caught:
            admit(caller, Options(model="base", **task), Catalog())
        assert caught.value.param == "model"


def test_keys_name_models_that_are_set_up(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, llm_base_url="http://127.0.0.1:9/v1", llm_model=("GPT-large",))
    with offline_gate(settings) as opened:
        accounts = opened.accounts
        account = accounts.create("a customer", "test")
        policy = Policy(EVERYDAY, models=("whisper-1", "GPT-large"))
        assert accounts.create_key(account.id, "k", policy, "test")[0].policy.models == ("base", "GPT-large")
        with pytest.raises(UnknownModel):
            accounts.create_key(account.id, "k", Policy(EVERYDAY, models=("gpt-large",)), "test")
