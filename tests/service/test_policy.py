# SPDX-License-Identifier: Apache-2.0
"""What a caller may do."""

from __future__ import annotations

import pytest

from harken.errors import Forbidden, InvalidOption
from harken.model import (
    EVERYDAY,
    Format,
    Job,
    JobState,
    Lane,
    Options,
    Policy,
    Quote,
    Scope,
    Stage,
    StageKind,
    Summarise,
)
from harken.model.jobs import own_stage
from harken.models.catalog import Catalog
from harken.pipeline import validate
from harken.service import Caller
from harken.service.policy import admit, require
from harken.service.prices import Prices, quote, spent

CATALOG = Catalog(presets={"meeting": {"model": "small", "beam_size": 5}})


def _caller(*scopes: Scope, **policy: tuple[str, ...]) -> Caller:
    return Caller("me", policy=Policy(scopes=frozenset(scopes) or EVERYDAY, **policy))  # type: ignore[arg-type]


def _admitted(caller: Caller, **options: object) -> Options:
    return admit(caller, validate(Options(**options), CATALOG), CATALOG)  # type: ignore[arg-type]


def test_scopes() -> None:
    for scope in Scope:
        require(_caller(scope), scope)
        require(_caller(scope), Scope.READ, scope)
        for other in set(Scope) - {scope}:
            with pytest.raises(Forbidden, match=f"the scope '{other.value}'") as caught:
                require(_caller(scope), other)
            assert caught.value.param == "scope"
    assert Scope.ADMIN not in Caller("me").policy.scopes


def test_summaries_of_recordings_are_text_work() -> None:
    assert _admitted(_caller(Scope.TRANSCRIBE)).model == "base"
    for more in ({"summary": Summarise()}, {"formatting": Format("x")}):
        with pytest.raises(Forbidden, match="'text'"):
            _admitted(_caller(Scope.TRANSCRIBE), **more)
        _admitted(_caller(Scope.TRANSCRIBE, Scope.TEXT), **more)
    with pytest.raises(Forbidden, match="'transcribe'"):
        _admitted(_caller(Scope.TEXT, Scope.READ, Scope.ADMIN))


def test_models() -> None:
    caller = _caller(models=("small", "cpu-turbo"))
    for name in ("small", "openai/whisper-small", "meeting", "cpu-turbo"):
        _admitted(caller, model=name)
    for name in ("", "base", "large-v3-turbo", "small.en"):
        with pytest.raises(Forbidden, match="only small, cpu-turbo") as caught:
            _admitted(caller, model=name)
        assert caught.value.param == "model"


def test_languages() -> None:
    caller = _caller(languages=("en", "ca"))
    assert _admitted(caller, language="Catalan").language == "ca"
    assert _admitted(caller, model="base.en").language == "en"
    detecting = _admitted(caller)
    assert (detecting.language, detecting.languages) == (None, ("en", "ca"))
    assert _admitted(caller, languages=("ca", "en")).languages == ("ca", "en")
    one = _admitted(_caller(languages=("ca",)))
    assert (one.language, one.languages) == ("ca", ())
    for asked in ({"language": "fr"}, {"languages": ("en", "fr")}):
        with pytest.raises(Forbidden, match="the language fr, only en, ca") as caught:
            _admitted(caller, **asked)
        assert caught.value.param == "language"


def _rates(listed: dict[str, float], **options: object) -> dict[str, int]:
    return Prices(listed, CATALOG).rates(validate(Options(**options), CATALOG))  # type: ignore[arg-type]


def test_prices() -> None:
    listed = {"diarize": 0.5, "summarise": 0.25, "large": 2, "cpu-lite": 0.001, "chat": 3}
    assert _rates({}) == {"transcribe": 1000}
    assert _rates({"transcribe": 0}) == {}
    assert _rates(listed, model="large-v3") == {"transcribe": 2000}
    assert _rates(listed, model="cpu-lite") == {"transcribe": 1}
    assert _rates({"small": 4}, model="meeting") == {"transcribe": 4000}
    assert _rates(listed, diarize=True, summary=Summarise(), formatting=Format("x")) == {
        "transcribe": 1000,
        "diarize": 500,
        "summarise": 250,
    }
    assert _rates(listed, diarize=True, channels="split") == {"transcribe": 1000}
    for wrong in ({"transcribe": -1}, {"base": 0.0001}, {"nonsense": 1.0}, {"base": float("nan")}):
        with pytest.raises(InvalidOption):
            Prices(wrong, CATALOG)


def test_quotes() -> None:
    rates = {"transcribe": 1000, "diarize": 500}
    assert quote(rates, Options(), 120.0, 3600.0) == Quote(3000, 3000)
    assert quote(rates, Options(offset=30.0, duration=60.0), 120.0, 3600.0) == Quote(1500, 1500)
    assert quote(rates, Options(), None, 3600.0) == Quote(1500, 90_000)
    assert quote(rates, Options(duration=30.0), None, 3600.0) == Quote(750, 750)
    assert quote({}, Options(), None, 3600.0) == Quote(0, 0)


def test_what_was_paid() -> None:
    job = Job(
        "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "me", JobState.COMPLETED, Lane.BATCH, Options(), "", 1.0, 1.0,
        duration=60.0, rates={"transcribe": 1000, "diarize": 500},
    )  # fmt: skip
    own = Stage(own_stage(job.id, StageKind.DIARIZE), job.id, StageKind.DIARIZE, JobState.FAILED, 1.0, 1.0)
    again = Stage("x", job.id, StageKind.DIARIZE, JobState.COMPLETED, 1.0, 1.0, price=400)
    refused = Stage("y", job.id, StageKind.CHAT, JobState.FAILED, 1.0, 1.0, price=700)
    assert spent(job, [own, again, refused]) == 1400
    assert Prices({"chat": 0.5}, CATALOG).of_stage(StageKind.CHAT, job) == 500
