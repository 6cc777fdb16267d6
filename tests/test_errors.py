# SPDX-License-Identifier: Apache-2.0
"""What an error tells whom: clients its message, whoever runs the machine its detail too."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from harken.errors import HarkenError, ModelUnavailable
from harken.models.store import ModelStore
from harken.server.dialects import openai
from harken.server.problems import Problems
from harken.worker.protocol import Refusal


def test_detail_is_for_whoever_runs_the_machine(caplog: pytest.LogCaptureFixture) -> None:
    error = ModelUnavailable("model x is not here", param="model", detail="in /srv/secret")
    assert str(error) == "model x is not here (in /srv/secret)"
    body = bytes(Problems(openai.error_shape).answer(error, "/v1/models", "1").body)
    assert json.loads(body)["error"]["message"] == "model x is not here"
    assert "in /srv/secret" in caplog.text
    assert "secret" not in repr(Refusal.of(error))


def test_errors_keep_everything_between_processes() -> None:
    error = ModelUnavailable("told", param="model", detail="in a folder")
    again: HarkenError = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message, again.param, again.detail) == (ModelUnavailable, "told", "model", "in a folder")
    assert str(HarkenError("told")) == "told"


def test_a_missing_model_tells_clients_no_folder(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models", [])
    for attempt in (store.path, store.fetch, store.delete):
        with pytest.raises(ModelUnavailable) as caught:
            attempt("base")
        assert str(tmp_path) not in caught.value.message
        assert str(tmp_path) in str(caught.value)
