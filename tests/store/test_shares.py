# SPDX-License-Identifier: Apache-2.0
"""What one account may have of what all share, on both databases."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from harken.errors import AccountFull, QueueFull
from harken.model import Job, JobState, Lane, Options, Stage, StageKind, Transcript
from harken.ports import Shares, Submission
from harken.service import EVERYONE
from harken.store import SqlLedger, SqlStages, SqlStore
from harken.store.shares import CHATS_EACH, LONG_EACH, LONG_OF_ALL

NOTHING = Transcript(segments=(), language="en", duration=1.0, model="base")


class House:
    """A store and its ledger, and where what was entered waits."""

    def __init__(self, engine: sa.Engine, **share: Any) -> None:
        self.store = SqlStore(engine, max_kept=share.get("kept"))
        self.ledger = SqlLedger(engine, Shares(**share))
        self.stages = SqlStages(engine)

    def enter(self, owner: str = "me", lane: Lane = Lane.BATCH, **changes: Any) -> Job:
        now = time.time()
        job = Job(str(uuid.uuid4()), owner, JobState.QUEUED, lane, Options(), "talk.mp3", now, now)
        waits: list[Lane] = []
        job = replace(job, **changes)
        entered, _ = self.ledger.enter(Submission(job), 100, lambda _, lane, __: waits.append(lane))
        assert waits == [entered.lane] == [self.store.job(job.id).lane]
        return entered

    def wait(self, owner: str = "me", **changes: Any) -> Job:
        """Enter a recording whose caller waits."""
        return self.enter(owner, Lane.INTERACTIVE, **changes)

    def ask(self, job: Job) -> Stage:
        now = time.time()
        stage = Stage(str(uuid.uuid4()), job.id, StageKind.CHAT, JobState.QUEUED, now, now, lane=Lane.INTERACTIVE)
        return self.ledger.enter_stage(stage, 100, lambda *_: None)


def test_one_account_does_not_fill_the_queue(engine: sa.Engine) -> None:
    house = House(engine, queued=3)
    first, *_ = [house.enter() for _ in range(3)]
    with pytest.raises(QueueFull, match="max_queued_per_account"):
        house.enter()
    house.enter("you")
    house.store.start(first.id, "worker")
    house.enter()
    for _ in range(4):
        house.enter(EVERYONE.id)


def test_long_recordings_leave_interactive_places_to_short_ones(engine: sa.Engine) -> None:
    house = House(engine, short=60.0)
    long = [house.wait(duration=61.0 + number) for number in range(LONG_EACH)]
    assert {job.lane for job in long} == {Lane.INTERACTIVE}
    for duration in (3600.0, None):
        assert house.wait(duration=duration).lane is Lane.BATCH
    assert house.wait(duration=60.0).lane is Lane.INTERACTIVE
    span = Options(offset=1000.0, duration=30.0)
    assert house.wait(duration=3600.0, options=span).lane is Lane.INTERACTIVE
    assert house.wait("you", duration=61.0).lane is Lane.INTERACTIVE
    house.store.cancelled(long[0].id)
    assert house.wait(duration=61.0).lane is Lane.INTERACTIVE
    others = [house.wait(f"another {number}", duration=61.0).lane for number in range(LONG_OF_ALL)]
    assert others == [Lane.INTERACTIVE] * (LONG_OF_ALL - LONG_EACH - 1) + [Lane.BATCH] * (LONG_EACH + 1)


def test_questions_leave_interactive_places_to_others(engine: sa.Engine) -> None:
    house = House(engine)
    mine = [house.enter() for _ in range(CHATS_EACH + 1)]
    yours = house.enter("you")
    for job in (*mine, yours):
        house.store.complete(job.id, NOTHING)
    lanes = [house.ask(job).lane for job in mine]
    assert lanes == [Lane.INTERACTIVE] * CHATS_EACH + [Lane.TEXT]
    assert house.ask(yours).lane is Lane.INTERACTIVE
    assert house.stages.stages(mine[-1].id)[0].lane is Lane.TEXT


def test_an_account_keeps_so_many_bytes(engine: sa.Engine) -> None:
    house = House(engine, kept=100)
    first = house.enter(audio="a", size=60)
    with pytest.raises(AccountFull, match="max_kept_bytes_per_account"):
        house.enter(audio="b", size=41)
    house.enter("you", audio="c", size=41)
    house.enter(audio="d", size=40)
    with pytest.raises(AccountFull):
        house.enter(source="http://recordings.example/a.mp3")
    house.store.audio_swept(first.id)
    fetched = house.enter(source="http://recordings.example/a.mp3")
    with pytest.raises(AccountFull):
        house.store.recording_came(fetched.id, fetched.id, 61, "a.mp3")
    assert house.store.job(fetched.id).audio is None
    assert house.store.recording_came(fetched.id, fetched.id, 60, "a.mp3").audio == fetched.id


def test_what_has_been_left_alone(engine: sa.Engine) -> None:
    house = House(engine)
    passed_by = house.store.passed_by
    first = house.enter(created=time.time() - 60)
    house.enter()
    house.enter(created=time.time() - 60)
    house.enter("you", Lane.INTERACTIVE, created=time.time() - 60)
    assert passed_by(Lane.BATCH, 30) == {None: 2}
    assert passed_by(Lane.BATCH, 90) == {}
    house.store.start(first.id, "worker")
    assert passed_by(Lane.BATCH, 30) == {None: 1}
    tiny = Job(str(uuid.uuid4()), "me", JobState.QUEUED, Lane.BATCH, Options(), "a", time.time() - 60, time.time())
    house.ledger.enter(Submission(tiny, model="tiny"), 100, lambda *_: None)
    assert passed_by(Lane.BATCH, 30) == {None: 1, "tiny": 1}
    house.store.complete(first.id, NOTHING)
    assert house.store.waited_for() == {(Lane.BATCH, None), (Lane.BATCH, "tiny"), (Lane.INTERACTIVE, None)}
    asked = house.ask(first)
    assert passed_by(asked.lane or Lane.BATCH, -1) == {None: 2}
    assert passed_by(asked.lane or Lane.BATCH, 30) == {None: 1}


def test_who_waits_and_has_nothing_in_hand(engine: sa.Engine) -> None:
    house = House(engine)
    newcomers = house.store.newcomers
    first = house.enter()
    house.enter("other", Lane.INTERACTIVE)
    assert newcomers(Lane.BATCH, set()) == {None: 1}
    assert newcomers(Lane.BATCH, {first.id}) == {}, "in hand, though nobody has noted it yet"
    house.store.start(first.id, "worker")
    house.enter()
    assert newcomers(Lane.BATCH, set()) == {}
    assert newcomers(Lane.BATCH, set(), here=True) == {None: 1}, "what it has in hand is elsewhere"
    assert newcomers(Lane.BATCH, {first.id}, here=True) == {}
    house.enter("other")
    house.enter("other")
    house.enter("third")
    assert newcomers(Lane.BATCH, set()) == {None: 2}
    house.store.fail(first.id, "code", "why")
    assert newcomers(Lane.BATCH, set()) == {None: 3}
    tiny = Submission(replace(first, id=str(uuid.uuid4()), owner="fourth"), model="tiny")
    house.ledger.enter(tiny, 100, lambda *_: None)
    assert newcomers(Lane.BATCH, set()) == {None: 3, "tiny": 1}
