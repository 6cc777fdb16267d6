# SPDX-License-Identifier: Apache-2.0
"""What the service lets which key do, and what it has them pay, over the real store and queue."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.jobs.house import House

from harken.errors import Forbidden, HarkenError, JobNotFound, NotEnoughCredits
from harken.model import (
    Account,
    AuditEntry,
    Chat,
    DeliveryState,
    Format,
    Job,
    JobState,
    MediaInfo,
    Message,
    Options,
    Policy,
    Scope,
    Segment,
    StageKind,
    Transcript,
)
from harken.models.catalog import Catalog
from harken.ports import Receipt
from harken.service import Caller, Limits, Service, Upload, Webhooks
from harken.store import SqlAccounts, SqlCredits, SqlWebhooks, Vault
from harken.text.providers import Providers

TEXT = Transcript((Segment(0.0, 60.0, " so it was said"),), language="en", duration=60.0, model="base")
ASK = Chat((Message("user", "what was said?"),))


def _service(house: House, duration: float | None = 60.0) -> Service:
    return Service(
        house.store,
        house.stages,
        house.voices,
        house.blobs,
        house.jobs,
        Catalog(),
        probe=lambda _: MediaInfo(duration, 1, 16_000, "pcm", "wav", has_video=False),
        voiceprint=lambda _: (4.5, (0.6, 0.8)),
        limits=Limits(3600.0, 60.0, 3600.0),
        checks=list,
        providers=Providers(),
        admit=lambda url, _: url,
        webhooks=Webhooks(
            SqlWebhooks(house.engine, lambda: "secret", Vault(b"a secret")),
            house.store,
            house.stages,
            lambda *_: Receipt(DeliveryState.DELIVERED, 200),
            lambda *_: None,
            time.time,
        ),
        price_list={"diarize": 0.5, "chat": 0.1},
    )


@pytest.fixture
def service(house: House) -> Service:
    return _service(house)


def _submit(service: Service, house: House, caller: Caller, **options: object) -> Job:
    with service.arriving() as arrival:
        arrival.write(b"sound")
        upload = Upload(arrival, arrival.finish(), "talk.wav", 5, "0" * 64)
        return service.submit(upload, Options(**options), caller, waits=False)  # type: ignore[arg-type]


def _with(*scopes: Scope, **policy: object) -> Caller:
    return Caller("me", "key", Policy(frozenset(scopes), **policy))  # type: ignore[arg-type]


def _completed(house: House) -> Job:
    job = house.submit()
    return house.store.complete(job.id, TEXT)


def _refused(attempt: Callable[[Caller, Job], object], caller: Caller, job: Job) -> bool:
    """Whether the policy refused it; it may be impossible for another reason, which is asked after that."""
    try:
        attempt(caller, job)
    except Forbidden:
        return True
    except HarkenError:
        return False
    return False


def test_each_thing_needs_its_scope(service: Service, house: House) -> None:
    audio = house.folder.root / "voice.wav"
    hear, read, write = Scope.TRANSCRIBE, Scope.READ, Scope.TEXT
    attempts: list[tuple[set[Scope], Callable[[Caller, Job], object]]] = [
        ({hear}, lambda who, _: _submit(service, house, who)),
        ({hear}, lambda who, _: service.submit_url("http://example.com/a.mp3", Options(), who)),
        ({hear}, lambda who, _: service.check(Options(), who)),
        ({hear}, lambda who, job: service.diarize_again(job.id, who)),
        ({hear}, lambda who, _: service.enrol("Zoë", audio, who)),
        ({hear}, lambda who, _: service.forget("Zoë", who)),
        ({write}, lambda who, _: service.texts.write(TEXT, Format(""), who)),
        ({write}, lambda who, job: service.texts.again(job.id, Format(""), who)),
        ({read}, lambda who, job: service.job(job.id, who)),
        ({read}, lambda who, _: service.jobs(who)),
        ({read}, lambda who, job: service.transcript(job.id, who)),
        ({read}, lambda who, job: service.draft(job.id, who)),
        ({read}, lambda who, job: service.results(job.id, who)),
        ({read}, lambda who, job: service.stages(job.id, who)),
        ({read}, lambda who, job: service.stage(job.id, "x", who)),
        ({read}, lambda who, _: service.voices(who)),
        ({hear, write}, lambda who, job: service.cancel_stage(job.id, "x", who)),
        ({hear}, lambda who, job: service.cancel(job.id, who)),
        ({hear}, lambda who, job: service.delete(job.id, who)),
    ]
    for allowed, attempt in attempts:
        for scope in Scope:
            assert _refused(attempt, _with(scope), _completed(house)) == (scope not in allowed)

    def again(who: Caller, job: Job) -> object:
        return service.hear_again(job.id, 0.0, 1.0, Options(), who)

    for few in ((hear,), (read,), (write,)):
        assert _refused(again, _with(*few), _completed(house))
    assert not _refused(again, _with(hear, read), _completed(house))


def test_a_refused_recording_leaves_nothing(service: Service, house: House) -> None:
    with pytest.raises(Forbidden, match="the model base"):
        _submit(service, house, _with(Scope.TRANSCRIBE, models=("small",)))
    assert service.jobs(Caller("me")).jobs == ()
    assert house.blobs.keys() == set()
    assert not (house.folder.root / "spool.wav").exists()
    job = _submit(service, house, _with(Scope.TRANSCRIBE, languages=("ca",)))
    assert job.options.language == "ca"


def test_whoever_holds_the_line_sees_what_comes_of_it(service: Service, house: House) -> None:
    caller = _with(Scope.TRANSCRIBE)
    job = _submit(service, house, caller)
    with pytest.raises(Forbidden):
        service.job(job.id, caller)
    assert service.job(job.id, caller.waiting()).id == job.id
    with pytest.raises(JobNotFound):
        service.job(job.id, replace(caller, id="you").waiting())


def test_who_pays_what(service: Service, house: House) -> None:
    credit, me = SqlCredits(house.engine), Caller("me")
    SqlAccounts(house.engine).have(Account("me", "me", 0.0))
    credit.grant("me", 5000, "", AuditEntry("admin", "credits.grant"))
    job = _submit(service, house, me, diarize=True)
    assert (service.estimate(job), credit.balance("me")) == (1500, 3500)
    job = house.store.complete(job.id, TEXT)
    assert (service.spent(job), credit.balance("me")) == (1000, 4000)
    stage = service.texts.again(job.id, ASK, me)
    assert (stage.price, credit.balance("me")) == (100, 3900)
    speakers = service.diarize_again(job.id, me)
    house.stages.fail(speakers.id, "x", "y")
    again = service.retry_stage(job.id, speakers.id, me)
    house.stages.complete(again.id, TEXT)
    assert (service.spent(job), credit.balance("me")) == (1500, 3400)
    part = service.hear_again(job.id, 0.0, 30.0, Options(), me)
    assert (service.estimate(part), credit.balance("me")) == (500, 2900)
    unknown = _submit(_service(house, None), house, me)
    assert (service.estimate(unknown), credit.balance("me")) == (None, 0)
    with pytest.raises(NotEnoughCredits):
        _submit(service, house, me)
    with pytest.raises(NotEnoughCredits):
        service.submit_url("http://example.com/a.mp3", Options(), me)
    written, _ = service.texts.write(TEXT, Format(""), me)
    assert (written.state, service.spent(written)) == (JobState.COMPLETED, 0)
    with pytest.raises(NotEnoughCredits):
        service.texts.write(TEXT, ASK, me)
    assert len(house.blobs.keys()) == 3
    service.delete(unknown.id, me)
    assert credit.balance("me") == 2900
    assert [one.kind for one in service.stages(job.id, me)].count(StageKind.DIARIZE) == 2


def test_administrators_act_as_whoever_owns_a_job(service: Service, house: House) -> None:
    jobs = [_submit(service, house, Caller(name)) for name in ("me", "you")]
    assert service.cancel(jobs[1].id, service.owner(jobs[1].id)).state is JobState.CANCELLED
    with pytest.raises(JobNotFound):
        service.owner("nothing")
