# SPDX-License-Identifier: Apache-2.0
"""The official OpenAI client against the server, over real HTTP."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import openai
import pysubs2
import pytest
import webvtt
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent
from tests.server.conftest import TEXT

from harken.errors import CorruptMedia, RecogniserCrashed

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve


@pytest.fixture
def client(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_json(client: openai.OpenAI, recording: bytes) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=recording)
    assert answer.text == TEXT
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == pytest.approx(3.0)
    assert answer.languages is not None
    assert [language.code for language in answer.languages] == ["en"]
    told: dict[str, Any] = answer.model_dump()
    assert told["language"] == "en"
    assert told["language_probability"] == pytest.approx(0.96, abs=0.02)
    assert [segment["text"] for segment in told["segments"]] == ["Hello there, Zoë", "how are <you>?"]
    assert told["runtime"]["model"] == "base"
    assert set(told["timing"]) == {"queued", "processing", "total"}
    assert told["warnings"] == []


def test_text(client: openai.OpenAI, recording: bytes) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=recording, response_format="text")
    assert answer == TEXT + "\n"


def test_srt(client: openai.OpenAI, recording: bytes) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=recording, response_format="srt")
    cues = pysubs2.SSAFile.from_string(answer, format_="srt")
    assert len(cues) >= 1
    assert cues[0].start == 0
    assert "Zoë" in answer


def test_vtt(client: openai.OpenAI, recording: bytes) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=recording, response_format="vtt")
    cues = webvtt.from_buffer(io.StringIO(answer))
    assert "Hello there, Zoë" in " ".join(cue.text for cue in cues.captions)


def test_verbose_json(client: openai.OpenAI, recording: bytes) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=recording, response_format="verbose_json")
    assert answer.language == "english"
    assert answer.duration == pytest.approx(3.0)
    assert answer.segments is not None
    assert [segment.id for segment in answer.segments] == [0, 1]
    assert answer.segments[1].start == pytest.approx(1.5)
    assert answer.segments[1].tokens == [100, 101, 102]
    assert answer.words is None


@pytest.mark.parametrize(("asked", "segments"), [(["word"], False), (["word", "segment"], True)])
def test_word_times(client: openai.OpenAI, server: Running, recording: bytes, asked: list[Any], segments: bool) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=recording, response_format="verbose_json", timestamp_granularities=asked
    )
    assert answer.words is not None
    assert [word.word for word in answer.words][:3] == ["Hello", "there,", "Zoë"]
    assert (answer.segments is not None) is segments
    assert server.backend.only().options.word_timestamps


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI retires its own; clients go on using it
def test_translation(client: openai.OpenAI, server: Running, recording: bytes) -> None:
    answer = client.audio.translations.create(model="whisper-1", file=recording, response_format="verbose_json")
    assert answer.text == TEXT
    assert answer.language == "english"
    assert server.backend.only().options.task == "translate"
    assert client.audio.translations.create(model="whisper-1", file=recording).text == TEXT


def test_stream(client: openai.OpenAI, server: Running, recording: bytes) -> None:
    server.backend.hold()
    server.backend.let(1)
    with client.audio.transcriptions.create(model="whisper-1", file=recording, stream=True) as stream:
        first = next(iter(stream))
        assert isinstance(first, TranscriptionTextDeltaEvent)
        assert first.delta == "Hello there, Zoë"
        assert not server.backend.only().state.ended, "the first words come while the rest is still to be done"
        server.backend.go()
        rest = list(stream)
    assert [event.type for event in rest] == ["transcript.text.delta", "transcript.text.done"]
    done = rest[-1]
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert done.text == TEXT
    assert first.delta + "".join(e.delta for e in rest if isinstance(e, TranscriptionTextDeltaEvent)) == TEXT
    assert done.usage is not None
    assert done.usage.output_tokens == 6
    assert done.usage.total_tokens == done.usage.input_tokens + 6


def test_logprobs(client: openai.OpenAI, recording: bytes) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=recording, include=["logprobs"])
    assert answer.logprobs is not None
    assert answer.logprobs[0].token == " Hello"
    assert answer.logprobs[0].logprob == pytest.approx(-0.105, abs=0.001)
    assert bytes(int(byte) for byte in answer.logprobs[2].bytes or []) == " Zoë".encode()


def test_every_field_is_understood(client: openai.OpenAI, server: Running, recording: bytes) -> None:
    client.audio.transcriptions.create(
        model="whisper-1",
        file=("talk.mp3", io.BytesIO(recording), "audio/mpeg"),
        language="en",
        prompt="A greeting.",
        temperature=0.3,
        chunking_strategy={"type": "server_vad"},
        keywords=["Zoë", "harken"],
        languages=["en"],
        extra_body={"beam_size": 3, "best_of": 2, "condition_on_previous_text": True, "mode": "fast"},
    )
    options = server.backend.only().options
    assert (options.model, options.language, options.prompt) == ("base", "en", "A greeting.")
    assert (options.temperature, options.vad_filter, options.vocabulary) == (0.3, True, ("Zoë", "harken"))
    assert (options.beam_size, options.best_of, options.mode) == (3, 2, "fast")
    assert options.condition_on_previous_text
    assert server.backend.only().filename == "talk.mp3"


def test_chunking_auto_and_zero_temperature(client: openai.OpenAI, server: Running, recording: bytes) -> None:
    client.audio.transcriptions.create(model="whisper-1", file=recording, chunking_strategy="auto", temperature=0)
    assert server.backend.only().options.temperature is None, "0 is OpenAI's word for falling back as needed"


def test_errors(client: openai.OpenAI, recording: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as unknown:
        client.audio.transcriptions.create(model="no-such-model", file=recording)
    assert unknown.value.code == "model_not_found"
    assert unknown.value.param == "model"
    with pytest.raises(openai.APIStatusError) as text:
        client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"this is text, not sound"))
    assert text.value.status_code == 415


def test_a_failure_in_the_middle_of_a_stream_is_raised(
    client: openai.OpenAI, server: Running, recording: bytes
) -> None:
    server.backend.hold()
    server.backend.let(1)
    with client.audio.transcriptions.create(model="whisper-1", file=recording, stream=True) as stream:
        next(iter(stream))
        server.backend.failure = RecogniserCrashed("the recogniser died on this recording")
        server.backend.go()
        with pytest.raises(openai.APIError, match="died on this recording"):
            list(stream)


def test_a_failure_before_the_first_words_is_a_status(client: openai.OpenAI, server: Running, recording: bytes) -> None:
    server.backend.failure = CorruptMedia("the sound breaks off at once")
    with pytest.raises(openai.APIStatusError) as failed:
        client.audio.transcriptions.create(model="whisper-1", file=recording, stream=True)
    assert failed.value.status_code == 415


def test_models(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {"whisper-1", "base", "large-v3", "cpu-lite", "cpu-turbo"} <= set(listed)
    assert listed["base"].model_extra is not None
    assert listed["base"].model_extra["installed"] is True
    assert client.models.retrieve("openai/whisper-base").id == "openai/whisper-base"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_keys(serve: Serve, recording: bytes) -> None:
    server = serve(api_keys=("correct horse", "battery"))
    for key in ("wrong", "correct"):
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError) as refused:
                client.audio.transcriptions.create(model="whisper-1", file=recording)
            assert refused.value.code == "invalid_api_key"
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="battery", max_retries=0) as client:
        assert client.audio.transcriptions.create(model="whisper-1", file=recording).text == TEXT
