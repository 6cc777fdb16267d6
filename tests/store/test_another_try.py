# SPDX-License-Identifier: Apache-2.0
"""What an idempotency key gives after a failure: another try, unless the request is at fault. On both databases."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.store.test_sql import Store, _job

from harken import errors
from harken.errors import IdempotencyConflict
from harken.model import Job
from harken.ports import Submission

LASTING = {
    "invalid_request", "invalid_option", "model_not_found", "language_not_found", "unusable_voice", "media_error",
    "not_media", "no_audio", "corrupt_media", "upload_too_large", "audio_too_long", "text_too_long", "text_refused",
    "url_refused",
}  # fmt: skip
"""Failures of what was asked. All others, also those that are added later, may not happen again."""


@pytest.fixture
def store(engine: sa.Engine) -> Store:
    return Store(engine)


def _enter(store: Store, fingerprint: str = "f") -> tuple[Job, bool]:
    return store.enter(Submission(_job(), "k", fingerprint), 100, lambda *_: None)


def _failed(store: Store, code: str) -> Job:
    job, new = _enter(store)
    assert new
    store.start(job.id, "worker")
    return store.fail(job.id, code, "it did not work")


@pytest.mark.parametrize("code", ["worker_unavailable", "disk_full", "recogniser_crashed", "recording_lost"])
def test_after_a_passing_failure_the_same_request_is_another_try(store: Store, code: str) -> None:
    first = _failed(store, code)
    with pytest.raises(IdempotencyConflict):
        _enter(store, "of another recording")
    second, new = _enter(store)
    assert new
    assert second.id != first.id
    # The first one is there still, and the key is the second one's from now on.
    assert store.job(first.id).error_code == code
    again, new = _enter(store)
    assert (again.id, new) == (second.id, False)


@pytest.mark.parametrize("code", ["corrupt_media", "audio_too_long"])
def test_after_a_lasting_failure_it_is_told_again(store: Store, code: str) -> None:
    first = _failed(store, code)
    assert _enter(store) == (first, False)


def test_a_cancelled_job_is_given_again(store: Store) -> None:
    job, _ = _enter(store)
    store.cancelled(job.id)
    again, new = _enter(store)
    assert (again.id, new) == (job.id, False)


def test_which_failures_last() -> None:
    assert {code for code in errors.by_code() if errors.is_lasting(code)} == LASTING
    assert not errors.is_lasting("what nobody knows")
