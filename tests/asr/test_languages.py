# SPDX-License-Identifier: Apache-2.0
"""Names of languages."""

from __future__ import annotations

import pytest

from harken.asr.languages import LANGUAGES, resolve
from harken.errors import UnknownLanguage


def test_there_are_the_99_of_whisper() -> None:
    assert len(LANGUAGES) == 99
    assert all(code == code.lower() and 2 <= len(code) <= 3 for code in LANGUAGES)


@pytest.mark.parametrize("name", [None, "", " ", "auto", "AUTO"])
def test_detection_has_many_names(name: str | None) -> None:
    assert resolve(name) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *((code, code) for code in LANGUAGES),
        *((name.title(), code) for code, name in LANGUAGES.items()),
        ("pt-BR", "pt"),
        ("zh_CN", "zh"),
        ("en-US", "en"),
        ("Castilian", "es"),
        ("iw", "he"),
        ("nb-NO", "no"),
    ],
)
def test_codes_and_names(name: str, code: str) -> None:
    assert resolve(name) == code


@pytest.mark.parametrize("name", ["klingon", "xx", "e", "english!", "xx-US"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownLanguage) as caught:
        resolve(name)
    assert caught.value.param == "language"
