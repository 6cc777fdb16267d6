# SPDX-License-Identifier: Apache-2.0
"""A job of a text that a client sent, as the status of jobs tells it: it lasts as long as the work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
from tests.server.conftest import until
from tests.server.test_suite_summary import FULL, begin

from harken.errors import TextUnavailable

if TYPE_CHECKING:
    from tests.server.conftest import Running


def _told(server: Running, job: str) -> dict[str, Any]:
    """The status of a job, which is that of the list too."""
    told: dict[str, Any] = httpx.get(f"{server.url}/api/transcribe/status/{job}").json()
    listed = httpx.get(f"{server.url}/api/transcribe/jobs").json()["jobs"]
    mine = next(one for one in listed if one["job_id"] == job)
    assert mine.keys() == told.keys()
    return told


def test_a_text_is_processing_until_its_summary_is_done(server: Running) -> None:
    server.backend.texts.held.set()
    job = begin(server, {"full_text": FULL})
    told = until(lambda: (now := _told(server, job))["progress"] and now)
    assert (told["status"], told["message"], told["progress"]) == ("processing", "Writing the summary (50%)", 50)
    listed = httpx.get(f"{server.url}/api/transcribe/jobs").json()["jobs"]
    assert [one["status"] for one in listed if one["job_id"] == job] == ["processing"]
    server.backend.texts.held.clear()
    done = until(lambda: (now := _told(server, job))["status"] != "processing" and now)
    assert (done["status"], done["message"], done["progress"]) == ("completed", "Summary completed", 100)
    assert done["updated_at"] >= told["updated_at"]
    # What was sent can be had all along.
    assert httpx.get(f"{server.url}/api/transcribe/result/{job}").json()["text"] == FULL


def test_a_summary_that_failed_is_told(server: Running) -> None:
    server.backend.unwritten = TextUnavailable("nobody writes")
    job = begin(server, {"full_text": FULL})
    told = until(lambda: (now := _told(server, job))["status"] != "processing" and now)
    assert (told["status"], told["message"]) == ("failed", "nobody writes")
