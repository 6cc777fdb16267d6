# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from harken.models import pip_settings

DEFAULT = "https://default.invalid/simple"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def read(tmp_path: Path, text: str = "", **environ: str) -> pip_settings.IndexSettings:
    file = tmp_path / "given.conf"
    file.write_text(text)
    return pip_settings.read(DEFAULT, {"PIP_CONFIG_FILE": str(file), **environ})


def test_nothing_set_is_the_default() -> None:
    found = pip_settings.read(DEFAULT, {"PIP_CONFIG_FILE": "/dev/null"})
    assert found == pip_settings.IndexSettings(indexes=(DEFAULT,))


def test_files(tmp_path: Path) -> None:
    user = tmp_path / ".config" / "pip" / "pip.conf"
    user.parent.mkdir(parents=True)
    user.write_text("[global]\nindex-url = https://user.invalid/simple\nproxy = http://proxy.invalid:3128\n")
    found = read(
        tmp_path,
        "[global]\nextra-index-url =\n    https://a.invalid/simple\n    https://b.invalid/simple\n"
        "find-links = /wheels\ncert = /ca.pem\n"
        "[install]\nfind_links = /more\n",
    )
    assert found.indexes == ("https://user.invalid/simple", "https://a.invalid/simple", "https://b.invalid/simple")
    assert found.find_links == ("/more",), "a command's section comes before the global one"
    assert (found.ca_bundle, found.proxy) == ("/ca.pem", "http://proxy.invalid:3128")


def test_the_environment_comes_before_files(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "[global]\nindex-url = https://file.invalid/simple\ncert = /ca.pem\n",
        PIP_INDEX_URL="https://env.invalid/simple",
        PIP_EXTRA_INDEX_URL="https://x.invalid/simple https://y.invalid/simple",
        PIP_CERT="/other.pem",
    )
    assert found.indexes == ("https://env.invalid/simple", "https://x.invalid/simple", "https://y.invalid/simple")
    assert found.ca_bundle == "/other.pem"


def test_uv(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        UV_DEFAULT_INDEX="https://uv.invalid/simple",
        UV_INDEX="named=https://one.invalid/simple https://two.invalid/simple?a=b",
        UV_FIND_LINKS="/a,/b",
    )
    assert found.indexes == (
        "https://uv.invalid/simple",
        "https://one.invalid/simple",
        "https://two.invalid/simple?a=b",
    )
    assert found.find_links == ("/a", "/b")


def test_no_index(tmp_path: Path) -> None:
    assert read(tmp_path, PIP_NO_INDEX="1").indexes == ()
    assert read(tmp_path, "[global]\nno-index = true\n").indexes == ()


def test_a_broken_file_is_left_to_pip(tmp_path: Path) -> None:
    assert read(tmp_path, "no section\n").indexes == (DEFAULT,)
