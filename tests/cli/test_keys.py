# SPDX-License-Identifier: Apache-2.0
"""``harken keys`` through its real entry point, and what the server makes of the keys."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harken.config import Settings
from harken.errors import Unauthenticated
from harken.service import Caller
from harken.wiring.accounts import offline_gate


class House:
    """A data folder, and commands that use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "harken", "keys", *arguments],
            env={**os.environ, "HARKEN_DATA_DIR": str(self.folder), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == status, done.stderr
        return done

    def caller(self, key: str) -> Caller:
        with offline_gate(Settings(data_dir=self.folder)) as gate:
            return gate.accounts.caller(key)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "data")


def test_a_key_from_its_first_to_its_last_day(house: House) -> None:
    policy = ["--scope", "transcribe", "--model", "whisper-1", "--language", "English", "--rate", "5", "--days", "1"]
    made = house.run("create", "laptop", *policy)
    key = made.stdout.strip()
    assert re.fullmatch(r"hk_[0-9A-Za-z]{10}_[0-9A-Za-z]{40}", key)
    assert stat.S_IMODE((house.folder / "secret").stat().st_mode) == 0o600
    caller = house.caller(key)
    assert (caller.policy.models, caller.policy.languages, caller.policy.rate) == (("base",), ("en",), 5)
    second = house.run("create", "phone", "--account", "laptop").stdout.strip()
    assert house.caller(second).id == caller.id
    listed = [line.split("\t") for line in house.run("list", "--account", "laptop").stdout.splitlines()]
    prefix = key.split("_")[1]
    assert listed[0][:4] == [prefix, "laptop", "laptop", "transcribe models=base languages=en 5/min"]
    assert listed[0][4].startswith("used ")
    assert listed[0][5].startswith("expires ")
    assert listed[1][1:4] == ["laptop", "phone", "jobs:read,text,transcribe"]
    assert key.split("_")[2] not in house.run("list").stdout
    assert house.run("revoke", prefix).stdout == f"{prefix}: revoked\n"
    with pytest.raises(Unauthenticated):
        house.caller(key)
    assert house.caller(second).id == caller.id
    assert "there is no key" in house.run("revoke", "nothing", status=1).stderr
    assert "nonsense" in house.run("create", "x", "--model", "nonsense", status=2).stderr


def test_a_secret_that_is_lost(house: House) -> None:
    key = house.run("create", "laptop").stdout.strip()
    (house.folder / "secret").unlink()
    assert "harken keys start-over" in house.run("list", status=1).stderr
    assert "--yes" in house.run("start-over", status=2).stderr
    assert house.run("start-over", "--yes").stdout.startswith("1 keys revoked")
    with pytest.raises(Unauthenticated):
        house.caller(key)
    assert house.caller(house.run("create", "laptop").stdout.strip()).key
    assert "32 characters" in house.run("list", status=2, HARKEN_SECRET="short").stderr


def test_the_administrators_password(house: House) -> None:
    password = house.run("admin-password").stdout.strip()
    with offline_gate(Settings(data_dir=house.folder)) as gate:
        assert gate.admin.first_password() is None
        login = gate.admin.log_in(password)
        assert gate.admin.session(login.token) == login.session
    house.run("admin-password")
    with offline_gate(Settings(data_dir=house.folder)) as gate, pytest.raises(Unauthenticated):
        gate.admin.session(login.token)
