# SPDX-License-Identifier: Apache-2.0
"""Which provider does the work: the one that is named, else the default, and never another."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from tests.text.chat_server import KEY, Answer, ChatServer
from tests.text.meetings import meeting

from harken.config import Settings
from harken.errors import InvalidOption, TextUnavailable, UnknownModel
from harken.text.providers import LOCAL, TextSettings, providers

STAND_IN = Path(__file__).parent / "llama_standin"


def test_with_nothing_set_up_everything_is_quoted() -> None:
    found = providers(TextSettings())
    assert found.names == ("extractive",)
    for name in (None, "", "extractive", "gpt-3.5-turbo"):
        assert found.choose(name).name == "extractive"


def test_requests_choose_among_the_models_of_an_endpoint(server: ChatServer) -> None:
    found = providers(TextSettings(base_url=server.url, api_key=KEY, models=("large", "small")))
    assert found.names == ("large", "small", "extractive")
    assert found.choose().name == "large"
    assert found.choose("gpt-3.5-turbo").name == "large"
    assert found.choose(" small ").name == "small"
    with pytest.raises(UnknownModel, match="there is large, small, extractive") as caught:
        found.choose("medium")
    assert caught.value.param == "model_name"


def test_a_model_of_the_alias_s_name_is_that_model(server: ChatServer) -> None:
    found = providers(TextSettings(base_url=server.url, models=("large", "gpt-3.5-turbo")))
    assert found.choose("gpt-3.5-turbo").name == "gpt-3.5-turbo"


def test_an_endpoint_that_fails_is_an_error_and_nothing_else(server: ChatServer) -> None:
    server.says(Answer(b"", 500))
    with pytest.raises(TextUnavailable):
        providers(TextSettings(base_url=server.url, models=("large",))).choose().summarise(meeting())


def test_a_local_model_is_used_when_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STAND_IN))
    installed = TextSettings(local=tmp_path / "model.gguf")
    found = providers(installed)
    assert found.names == ("extractive", LOCAL)
    assert found.choose(LOCAL).name == LOCAL
    found.close()
    named = providers(TextSettings(local=tmp_path / "model.gguf", models=(LOCAL,)))
    assert named.choose().name == LOCAL


def test_a_local_model_that_nothing_here_can_run_is_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert providers(TextSettings(local=tmp_path / "model.gguf")).names == ("extractive",)
    with pytest.raises(InvalidOption, match=r"pip install 'harken\[llm\]'"):
        providers(TextSettings(local=tmp_path / "model.gguf", models=(LOCAL,)))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (TextSettings(base_url="http://127.0.0.1:1/v1"), "HARKEN_LLM_MODEL is not"),
        (TextSettings(models=("gpt-4o",)), "HARKEN_LLM_BASE_URL is not set"),
        (TextSettings(models=(LOCAL,)), f"harken models fetch {LOCAL}"),
        (TextSettings(base_url="ollama", models=("x",)), "HARKEN_LLM_BASE_URL must be"),
    ],
)
def test_settings_that_contradict_each_other(settings: TextSettings, told: str) -> None:
    with pytest.raises(InvalidOption, match=told.replace("(", r"\(")):
        providers(settings)


def test_settings_do_not_show_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARKEN_LLM_API_KEY", KEY)
    monkeypatch.setenv("HARKEN_LLM_MODEL", "large, small")
    settings = Settings()  # type: ignore[call-arg,unused-ignore]
    assert settings.llm_model == ("large", "small")
    assert KEY not in repr(settings)
    assert settings.llm_api_key is not None
    assert settings.llm_api_key.get_secret_value() == KEY
    assert KEY not in repr(TextSettings(api_key=KEY))


def test_importing_it_loads_no_native_code() -> None:
    program = (
        "import sys, harken.text.providers\n"
        "print(sorted({'torch', 'xllamacpp', 'numpy', 'onnxruntime', 'ctranslate2', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
