# SPDX-License-Identifier: Apache-2.0
"""Other people's clients: litellm, the example of AudioText's documentation, and what they depend on."""

from __future__ import annotations

import json
import urllib.request
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.server.conftest import TEXT, wav

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve


@pytest.fixture(scope="module")
def litellm() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm
    return litellm


@pytest.mark.filterwarnings("ignore")  # litellm's own
@pytest.mark.parametrize("form", ["json", "verbose_json", "text", "srt", "vtt"])
def test_litellm(litellm: Any, server: Running, tmp_path: Path, form: str) -> None:
    talk = tmp_path / "talk.wav"
    talk.write_bytes(wav())
    with talk.open("rb") as file:
        answer = litellm.transcription(
            model="openai/whisper-1", file=file, api_base=f"{server.url}/v1", api_key="any", response_format=form
        )
    assert "Hello there, Zoë" in answer.text
    if form in ("json", "verbose_json"):
        assert answer.text == TEXT
        assert answer.duration == pytest.approx(3.0)


@pytest.mark.filterwarnings("ignore")
def test_litellm_errors(litellm: Any, server: Running) -> None:
    with pytest.raises(openai.BadRequestError, match="no-such"):
        litellm.transcription(
            model="openai/no-such", file=wav(), api_base=f"{server.url}/v1", api_key="any", max_retries=0
        )


def test_urllib_as_audiotext_documents_it(serve: Serve, tmp_path: Path) -> None:
    server = serve(api_keys=("the-token",))
    base_url = server.url
    token = "the-token"
    audio_path = tmp_path / "clip.webm"
    audio_path.write_bytes(wav())
    boundary = f"audiotext-{uuid.uuid4().hex}"

    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\ncpu-lite\r\n'.encode(),
        f'--{boundary}\r\nContent-Disposition: form-data; name="language"\r\n\r\nca\r\n'.encode(),
        (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{audio_path.name}"\r\n'
            "Content-Type: audio/webm\r\n\r\n"
        ).encode(),
        audio_path.read_bytes(),
        f"\r\n--{boundary}--\r\n".encode(),
    ]
    body = b"".join(parts)

    request = urllib.request.Request(
        f"{base_url}/v1/audio/transcriptions",
        data=body,
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(body)),
        },
        method="POST",
    )

    with urllib.request.urlopen(request, timeout=300) as response:
        answer = json.loads(response.read())
    assert answer["text"] == TEXT
    assert answer["runtime"] == {"model": "base", "preset": "cpu-lite", "compute_type": "int8", "mode": "default"}
    assert server.backend.only().options.language == "ca"
    assert server.backend.only().filename == "clip.webm"
