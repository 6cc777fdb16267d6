# SPDX-License-Identifier: Apache-2.0
"""The server's secret: made once, read by nobody else, and the same for everybody on one database."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from harken.errors import InvalidOption, WrongSecret
from harken.model import AuditEntry
from harken.store import SqlFacts, adopt, hold_to, server_secret


def test_several_that_start_at_once_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: server_secret(None, tmp_path), range(16)))
    assert found == {server_secret(None, tmp_path)}
    (secret,) = found
    assert len(secret) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    server_secret(None, tmp_path)
    (tmp_path / "secret").chmod(0o640)
    with pytest.raises(InvalidOption, match="chmod 600") as caught:
        server_secret(None, tmp_path)
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("text", ["", "short\n"])
def test_a_file_that_holds_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret").write_text(text)
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(InvalidOption):
        server_secret(None, tmp_path)


def test_the_settings_go_first(tmp_path: Path) -> None:
    assert server_secret("x" * 32, tmp_path) == b"x" * 32
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidOption, match="32 characters"):
        server_secret("x" * 31, tmp_path)


def test_a_database_knows_its_secret(engine: sa.Engine) -> None:
    facts = SqlFacts(engine)
    hold_to(facts, b"one")
    hold_to(facts, b"one")
    with pytest.raises(WrongSecret):
        hold_to(facts, b"two")
    adopt(facts, b"two", AuditEntry("me", "secret.adopt"))
    hold_to(facts, b"two")
    assert "two" not in (facts.get("secret") or "")
