# SPDX-License-Identifier: Apache-2.0
"""Settings from the environment and flags, and what is said of wrong ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harken.cli.settings import load_settings, unknown_variables
from harken.errors import InvalidOption


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HARKEN_")]:
        monkeypatch.delenv(name)
    # load_settings puts flags into the environment; what is set here is put back afterwards.
    for name in ("HARKEN_HOST", "HARKEN_PORT"):
        monkeypatch.setenv(name, "")


def test_a_flag_goes_before_its_variable_and_is_there_for_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARKEN_PORT", "9000")
    assert load_settings(port=None).port == 9000
    assert load_settings(port=9001).port == 9001
    assert os.environ["HARKEN_PORT"] == "9001"


@pytest.mark.parametrize(
    "value", ["https://one,https://two", " https://one , https://two,", '["https://one", "https://two"]']
)
def test_lists_are_commas_or_json(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HARKEN_CORS_ORIGINS", value)
    assert load_settings().cors_origins == ("https://one", "https://two")


def test_a_key_that_can_be_guessed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARKEN_API_KEYS", f"{'long' * 4},{'s3cret' * 2}abc")
    with pytest.raises(InvalidOption, match=r"HARKEN_API_KEYS .* 16 characters, .* openssl rand") as caught:
        load_settings()
    assert "s3cret" not in caught.value.message
    monkeypatch.setenv("HARKEN_API_KEYS", f"{'long' * 4},{'s3cret' * 2}abcd")
    assert len(load_settings().api_keys) == 2


def test_every_mistake_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARKEN_PORT", "eighty")
    monkeypatch.setenv("HARKEN_BATCH_SIZE", "0")
    monkeypatch.setenv("HARKEN_LOG_LEVEL", "loud")
    with pytest.raises(InvalidOption) as caught:
        load_settings()
    for name in ("HARKEN_PORT", "HARKEN_BATCH_SIZE", "HARKEN_LOG_LEVEL"):
        assert name in caught.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HARKEN_API_KEYS", '["s3cret"'),
        ("HARKEN_DATABASE_URL", "mysql://user:s3cret@host/db"),
        ("HARKEN_PRESETS", '{"s3cret"'),
    ],
)
def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidOption, match=name) as caught:
        load_settings()
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("host", ["0.0.0.0", "127.evil.example", "::"])
def test_other_machines_can_reach_these(host: str) -> None:
    assert not load_settings(host=host).loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_only_this_machine_can_reach_loopback(host: str) -> None:
    assert load_settings(host=host).loopback


def test_the_level_may_be_upper_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARKEN_LOG_LEVEL", "DEBUG")
    assert load_settings().log_level == "debug"


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARKEN_DATABASE_URL", "")
    monkeypatch.setenv("HARKEN_DATA_DIR", str(tmp_path))
    assert load_settings().database_url is None
    assert load_settings().data_dir == tmp_path


def test_a_variable_that_is_no_setting_is_told() -> None:
    lines = unknown_variables({"HARKEN_PROT": "1", "HARKEN_PORT": "1", "HOME": "/"})
    assert lines == ["HARKEN_PROT is no setting; HARKEN_PORT is"]
