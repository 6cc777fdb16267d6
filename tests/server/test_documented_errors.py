# SPDX-License-Identifier: Apache-2.0
"""Every route that has work done documents how it may be refused, for reasons that no fuzzer meets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.server.conftest import Running

RECORDINGS = (
    "/api/audio/process",
    "/api/retranslate/segment",
    "/api/retranslate/segment-from-full",
    "/api/transcribe/",
    "/api/v1/transcribe/",
    "/api/v1/transcribe/url/",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/transcription-jobs",
)
"""Where a recording is kept; all of them need room for it."""
TEXTS = (
    "/api/audio/format/{job_id}",
    "/api/chat/",
    "/api/summary/",
    "/v1/transcription-jobs/{job_id}/diarization",
    "/v1/transcription-jobs/{job_id}/formatted",
    "/v1/transcription-jobs/{job_id}/chat",
    "/v1/transcription-jobs/{job_id}/stages/{stage_id}/retry",
    "/v1/transcription-jobs/{job_id}/summary",
)
FREE = ("cancel", "/v1/voices", "/webhooks/", "/admin/")
"""What costs nothing and makes no job."""


def test_how_work_is_refused_is_documented(server: Running) -> None:
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    posts = {path: {int(code) for code in told["post"]["responses"]} for path, told in paths.items() if "post" in told}
    work = {path for path in posts if not any(free in path for free in FREE)}
    assert work == {*RECORDINGS, *TEXTS}
    for path in work:
        assert posts[path] >= {401, 402, 403, 429, 500, 503}, path
        assert (507 in posts[path]) == (path in RECORDINGS), path
    for path, told in paths.items():
        for method, route in told.items():
            if path.startswith(("/api/", "/v1/")):
                assert {"401", "403", "429", "503"} <= route["responses"].keys(), (method, path)
