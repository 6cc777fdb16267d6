# SPDX-License-Identifier: Apache-2.0
"""Telling URLs how jobs ended: tried until it arrives or is given up, by one courier at a time; on both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from tests.jobs.house import PATIENCE, House, until

from harken.errors import DeliveryNotFound, InvalidOption
from harken.model import Delivery, DeliveryState, Job, JobState
from harken.net.webhook import new_secret
from harken.ports import Receipt
from harken.server.courier import Courier
from harken.service import Caller, Ending, Webhooks
from harken.service.webhooks import LEASE, OVERLAP
from harken.store import SqlWebhooks, Vault

if TYPE_CHECKING:
    from tests.jobs.conftest import StartExecutor

ME, YOU = Caller("me"), Caller("you")
URL = "https://example.com/hook"
ARRIVED = Receipt(DeliveryState.DELIVERED, 200)
DOWN = Receipt(DeliveryState.WAITING, 500, "the receiver answers 500")


def draw(ending: Ending) -> bytes:
    text = None if ending.transcript is None else len(ending.transcript.segments)
    return json.dumps({"id": ending.job.id, "status": ending.job.state, "segments": text}).encode()


@dataclass
class Post:
    """Couriers' world: a clock, and what receivers say in turn."""

    house: House
    now: float = 1000.0
    answers: list[Receipt] = field(default_factory=list)
    sent: list[tuple[str, dict[str, object], tuple[str, ...], str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = SqlWebhooks(self.house.engine, new_secret, Vault(b"a secret"), clock=lambda: self.now)
        self.webhooks = Webhooks(
            self.store,
            self.house.store,
            self.house.stages,
            self.send,
            lambda failed, _: 60.0 * failed if failed <= 3 else None,
            lambda: self.now,
        )

    def send(
        self,
        url: str,
        body: bytes,
        secrets: Sequence[str],
        message_id: str,
        timestamp: int,
        cancelled: Callable[[], bool],
    ) -> Receipt:
        assert not cancelled()
        self.sent.append((url, json.loads(body), tuple(secrets), message_id, timestamp))
        return self.answers.pop(0)

    def job(self, owner: str = "me", url: str = URL, **how: object) -> Job:
        submission = self.house.submission(owner=owner, windows=2, **how)  # type: ignore[arg-type]
        job, _ = self.house.jobs.submit(replace(submission, job=replace(submission.job, webhook=url)))
        return job

    def ended(self, **how: object) -> Job:
        """A job that failed, and is to be told of."""
        job = self.job(**how)  # type: ignore[arg-type]
        self.house.store.fail(job.id, "boom", "it broke")
        self.now = max(self.now, self.due(job).due)
        return self.house.store.job(job.id)

    def due(self, job: Job) -> Delivery:
        (found,) = self.store.deliveries(job.owner, 10, job_id=job.id).deliveries
        return found

    def round(self) -> list[DeliveryState]:
        """Deliver what is due."""
        return [self.webhooks.deliver(delivery, draw, bool) for delivery in self.webhooks.take_due(10)]


@pytest.fixture
def post(house: House) -> Post:
    return Post(house)


def test_a_job_that_completes_is_told_of_once(post: Post, start_executor: StartExecutor) -> None:
    job = post.job()
    assert post.webhooks.deliveries(ME).deliveries == ()
    start_executor()
    post.house.ended(job)
    delivery = post.due(job)
    assert (delivery.state, delivery.url, delivery.tries) == (DeliveryState.WAITING, URL, ())
    post.now = delivery.due
    post.answers = [ARRIVED]
    assert post.round() == [DeliveryState.DELIVERED]
    (secret,) = post.webhooks.secrets(ME)
    assert post.sent == [
        (URL, {"id": job.id, "status": "completed", "segments": 2}, (secret,), delivery.id, int(post.now))
    ]
    assert post.round() == []
    done = post.due(job)
    assert (done.state, [one.status for one in done.tries]) == (DeliveryState.DELIVERED, [200])
    assert done.ended is not None


@pytest.mark.parametrize("end", ["failed", "cancelled while it waits", "cancelled", "deadline"])
def test_every_end_is_told(post: Post, end: str) -> None:
    job = post.job()
    match end:
        case "failed":
            post.house.store.fail(job.id, "boom", "it broke")
        case "cancelled while it waits":
            post.house.store.request_cancel(job.id)
        case "cancelled":
            post.house.store.start(job.id, "worker")
            post.house.store.request_cancel(job.id)
            assert post.webhooks.deliveries(ME).deliveries == ()
            post.house.store.cancelled(job.id)
        case "deadline":
            post.house.store.start(job.id, "worker")
            post.house.store.fail(job.id, "deadline_exceeded", "too late")
    assert post.due(job).state is DeliveryState.WAITING
    post.house.store.fail(job.id, "boom", "again")
    assert len(post.webhooks.deliveries(ME).deliveries) == 1


def test_a_receiver_that_is_down_is_tried_again(post: Post) -> None:
    job = post.ended()
    post.answers = [DOWN, replace(DOWN, retry_after=500.0), ARRIVED]
    start = post.now
    assert post.round() == [DeliveryState.WAITING]
    assert post.due(job).due == start + 60.0
    post.now = start + 59.0
    assert post.round() == []
    post.now = start + 60.0
    assert post.round() == [DeliveryState.WAITING]
    assert post.due(job).due == post.now + 500.0, "the receiver asked for longer"
    post.now += 500.0
    assert post.round() == [DeliveryState.DELIVERED]
    assert [one.outcome for one in post.due(job).tries] == ["waiting", "waiting", "delivered"]
    assert len({sent[3] for sent in post.sent}) == 1, "it stays one message"
    assert post.house.store.job(job.id).state is JobState.FAILED, "no receiver harms a job"


def test_a_dead_receiver_is_left_alone_until_somebody_says_that_it_lives(post: Post) -> None:
    first = post.ended()
    post.answers = [DOWN] * 4
    for _ in range(4):
        post.now = max(post.now, post.due(first).due)
        post.round()
    assert post.due(first).state is DeliveryState.FAILED
    second, elsewhere, yours = post.ended(), post.ended(url=URL + "/2"), post.ended(owner="you")
    post.answers = [ARRIVED, ARRIVED]
    assert post.round() == [DeliveryState.DELIVERED] * 2
    assert post.due(second).state is DeliveryState.PAUSED
    assert [post.due(job).state for job in (elsewhere, yours)] == [DeliveryState.DELIVERED] * 2
    post.webhooks.replay(post.due(first).id, ME)
    post.answers = [DOWN, ARRIVED]
    assert sorted(post.round()) == [DeliveryState.DELIVERED, DeliveryState.WAITING], "a new series of tries"
    post.answers = [ARRIVED]
    post.now = max(post.due(job).due for job in (first, second)) + 1
    assert post.round() == [DeliveryState.DELIVERED]
    assert {post.due(job).state for job in (first, second)} == {DeliveryState.DELIVERED}


def test_who_wants_no_more_gets_no_more(post: Post) -> None:
    job = post.ended()
    post.answers = [Receipt(DeliveryState.FAILED, 410, "it wants no more")]
    assert post.round() == [DeliveryState.FAILED]
    assert post.due(job).tries[0].reason == "it wants no more"
    other = post.ended()
    assert post.round() == []
    assert post.due(other).state is DeliveryState.PAUSED


def test_a_delivery_is_one_couriers_at_a_time_and_anothers_when_that_one_dies(post: Post) -> None:
    post.ended()
    (taken,) = post.webhooks.take_due(10)
    assert post.webhooks.take_due(10) == []
    post.now += LEASE
    assert [one.id for one in post.webhooks.take_due(10)] == [taken.id]


def test_couriers_side_by_side_deliver_each_once(post: Post) -> None:
    jobs = [post.ended() for _ in range(15)]
    post.answers = [ARRIVED] * len(jobs)
    couriers = [Courier(post.webhooks, draw, every=0.01) for _ in range(3)]
    for courier in couriers:
        courier.start()
    until(lambda: len(post.sent) >= len(jobs))
    for courier in couriers:
        courier.stop()
    assert sorted(str(sent[1]["id"]) for sent in post.sent) == sorted(job.id for job in jobs)
    assert post.answers == []


def test_slow_receivers_of_one_hold_up_nobody_else(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harken.server.courier.HANDS", 3)
    monkeypatch.setattr("harken.server.courier.SHARE", 2)
    mine = [post.ended(url=f"{URL}/{number}") for number in range(4)]
    yours = post.ended(owner="you")
    answer, arrived = threading.Event(), list[str]()

    def send(url: str, *_: object) -> Receipt:
        assert url == URL or answer.wait(PATIENCE)
        arrived.append(url)
        return ARRIVED

    monkeypatch.setattr(post.webhooks, "_send", send)
    courier = Courier(post.webhooks, draw, every=0.01)
    courier.start()
    until(lambda: post.due(yours).state is DeliveryState.DELIVERED)
    assert arrived == [URL]
    answer.set()
    until(lambda: {post.due(job).state for job in mine} == {DeliveryState.DELIVERED})
    courier.stop()
    assert not courier._busy


def test_a_job_that_is_deleted_takes_its_delivery_along(post: Post) -> None:
    job = post.ended()
    (taken,) = post.webhooks.take_due(10)
    post.house.store.delete(job.id)
    courier = Courier(post.webhooks, draw)
    courier._free.acquire()
    courier._deliver(taken)
    assert post.sent == []
    with pytest.raises(DeliveryNotFound):
        post.webhooks.delivery(taken.id, ME)


def test_deliveries_are_their_owners(post: Post) -> None:
    mine, yours = [post.ended() for _ in range(3)], post.ended(owner="you")
    first = post.webhooks.deliveries(ME, limit=2)
    rest = post.webhooks.deliveries(ME, limit=2, cursor=first.next)
    assert [one.job_id for one in (*first.deliveries, *rest.deliveries)] == [job.id for job in reversed(mine)]
    assert rest.next is None
    with pytest.raises(InvalidOption):
        post.webhooks.deliveries(ME, cursor="x")
    other = post.due(yours)
    for attempt in (post.webhooks.delivery, post.webhooks.replay):
        with pytest.raises(DeliveryNotFound):
            attempt(other.id, ME)


def test_secrets_are_rotated_with_an_overlap(post: Post) -> None:
    (old,) = post.webhooks.secrets(ME)
    assert post.webhooks.secrets(ME) == [old]
    assert post.webhooks.secrets(YOU) != [old]
    new = post.webhooks.rotate(ME)
    assert post.webhooks.secrets(ME) == [new, old]
    post.now += OVERLAP
    assert post.webhooks.secrets(ME) == [new]
    newest = post.webhooks.rotate(ME)
    assert post.webhooks.secrets(ME) == [newest, new]


def test_two_who_ask_first_know_the_same_secrets(post: Post) -> None:
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(post.webhooks.secrets(ME))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = set(post.webhooks.secrets(ME))
    assert all(set(secrets) <= now for secrets in found)
