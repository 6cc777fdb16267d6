# SPDX-License-Identifier: Apache-2.0
"""Transcripts and errors in the forms that OpenAI's and AudioText's clients read."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from fastapi.responses import JSONResponse, Response

from harken.asr.languages import LANGUAGES
from harken.errors import UnknownModel
from harken.model import Job, Segment, Transcript, Word, plain
from harken.models.catalog import Catalog
from harken.server.dialects.openai import diarized
from harken.server.dialects.openai.fields import View
from harken.server.dialects.openai.figures import duration_usage
from harken.server.figures import figure, seconds
from harken.server.problems import Problem
from harken.text import render

MEDIA_TYPES: Mapping[str, str] = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "ass": "text/x-ssa; charset=utf-8",
    "rttm": "text/plain; charset=utf-8",
}
"""Content types of the formats that are not JSON."""

AUDIO_TOKENS_PER_SECOND = 50
"""What Whisper's encoder makes of a second: 1500 positions for 30 s."""

_TYPES = {401: "authentication_error", 402: "insufficient_quota", 403: "permission_error", 429: "rate_limit_error"}


def error_shape(problem: Problem, request_id: str) -> dict[str, Any]:
    """An error as this dialect tells it."""
    kind = _TYPES.get(problem.status, "invalid_request_error" if problem.status < 500 else "server_error")
    return {
        "error": {
            "message": problem.message,
            "type": kind,
            "code": problem.code,
            "param": problem.param,
            "request_id": request_id,
        }
    }


class Runtime:
    """Tells what a transcript was really made with.

    Args:
        catalog: knows what a preset's name stands for.
        host: what the operator runs on (device, compute type).
    """

    def __init__(self, catalog: Catalog, host: Mapping[str, Any]) -> None:
        self._catalog = catalog
        self._host = host

    def of(self, job: Job, transcript: Transcript) -> dict[str, Any]:
        """Model, preset, device, compute type and mode."""
        told = {**self._host, "model": transcript.model, "mode": job.options.mode}
        with contextlib.suppress(UnknownModel):  # the operator has taken the preset away since
            resolved = self._catalog.resolve(transcript.model)
            told["model"] = resolved.spec.name
            if resolved.preset is not None:
                told["preset"] = resolved.preset.name
                if resolved.preset.compute_type is not None:
                    told["compute_type"] = resolved.preset.compute_type
        return told


def answer(job: Job, transcript: Transcript, view: View, runtime: Runtime) -> Response:
    """A finished transcript in the format that was asked for.

    Cutting the cues of a long recording takes a while: to be called in a thread.
    """
    match view.response_format:
        case "json":
            return JSONResponse(full(job, transcript, view, runtime))
        case "verbose_json":
            return JSONResponse(verbose(job, transcript, view))
        case "diarized_json":
            return JSONResponse(diarized.diarized(transcript, warnings(job, transcript)))
        case "text" if len(transcript.speakers) > 1:
            return Response(render(transcript, "txt"), media_type=MEDIA_TYPES["text"])
        case "text":
            return Response(transcript.text + "\n", media_type=MEDIA_TYPES["text"])
        case form:
            return Response(render(transcript, form, PurePath(job.filename).stem), media_type=MEDIA_TYPES[form])


@dataclass(frozen=True, slots=True)
class Detail:
    """What segments tell beside their text."""

    words: bool
    """Words and their times; the recogniser may have timed them though the client did not ask."""
    speakers: bool = False

    @classmethod
    def of(cls, job: Job, transcript: Transcript, view: View) -> Detail:
        """What was asked for, when the job was made or now."""
        return cls(job.options.word_timestamps or "word" in view.granularities, diarized.asked(job, transcript))


def full(job: Job, transcript: Transcript, view: View, runtime: Runtime) -> dict[str, Any]:
    """AudioText's ``json``: the text and all that is known of how it came about."""
    detail = Detail.of(job, transcript, view)
    told: dict[str, Any] = {
        "text": transcript.text,
        "task": transcript.task,
        "language": transcript.language,
        "language_probability": None
        if transcript.language_probability is None
        else figure(transcript.language_probability),
        "languages": [{"code": code, "seconds": seconds(spoken)} for code, spoken in transcript.languages],
        "duration": seconds(transcript.duration),
        "segments": [
            {"id": number, **segment_shape(segment, detail)} for number, segment in enumerate(transcript.segments)
        ],
        "timing": {
            "queued": seconds(transcript.timing.queued),
            "processing": seconds(transcript.timing.processing),
            "total": seconds(transcript.timing.total),
        },
        "runtime": runtime.of(job, transcript),
        "coverage": plain(transcript.coverage),
        "dropped": plain(transcript.dropped),
        "usage": duration_usage(transcript),
        "warnings": warnings(job, transcript),
        "job_id": job.id,
    }
    if detail.speakers:
        told |= diarized.people(transcript, diarized.called(transcript, view.response_format))
    if view.logprobs:
        told["logprobs"] = logprobs(transcript.words)
    return told


def verbose(job: Job, transcript: Transcript, view: View) -> dict[str, Any]:
    """OpenAI's ``verbose_json``; the language is an English name there."""
    detail = Detail.of(job, transcript, view)
    told: dict[str, Any] = {
        "task": transcript.task,
        "language": language_name("en" if transcript.task == "translate" else transcript.language),
        "duration": seconds(transcript.duration),
        "text": transcript.text,
        "usage": duration_usage(transcript),
        "warnings": warnings(job, transcript),
    }
    if "segment" in view.granularities:
        told["segments"] = [
            _openai_segment(number, segment, detail) for number, segment in enumerate(transcript.segments)
        ]
    if "word" in view.granularities:
        told["words"] = [_word(word, detail) for word in transcript.words]
    if detail.speakers:
        told |= diarized.people(transcript, diarized.called(transcript, view.response_format))
    return told


def done(job: Job, transcript: Transcript, view: View) -> dict[str, Any]:
    """The last event of a stream."""
    spoken = sum(len(segment.tokens) for segment in transcript.segments)
    heard = math.ceil(transcript.duration * AUDIO_TOKENS_PER_SECOND)
    told: dict[str, Any] = {
        "type": "transcript.text.done",
        "text": transcript.text,
        "languages": [{"code": code, "seconds": seconds(spoken)} for code, spoken in transcript.languages],
        "usage": {
            "type": "tokens",
            "input_tokens": heard,
            "input_token_details": {"audio_tokens": heard, "text_tokens": 0},
            "output_tokens": spoken,
            "total_tokens": heard + spoken,
        },
        "warnings": warnings(job, transcript),
    }
    if view.logprobs:
        told["logprobs"] = logprobs(transcript.words)
    if diarized.asked(job, transcript):
        told |= diarized.people(transcript, diarized.called(transcript, view.response_format))
    if view.response_format == "verbose_json":
        told |= {name: value for name, value in verbose(job, transcript, view).items() if name not in ("text", "usage")}
    return told


def deltas(segments: Iterable[Segment], view: View, *, first: bool) -> list[dict[str, Any]]:
    """The events of some segments, one each; joined, their deltas are the text. ``first``: nothing was said before."""
    told: list[dict[str, Any]] = []
    for segment in segments:
        text = segment.text.lstrip() if first else segment.text
        if not text:
            continue
        first = False
        event: dict[str, Any] = {
            "type": "transcript.text.delta",
            "delta": text,
            "start": seconds(segment.start),
            "end": seconds(segment.end),
        }
        if view.logprobs:
            event["logprobs"] = logprobs(segment.words)
        told.append(event)
    return told


def logprobs(words: Sequence[Word]) -> list[dict[str, Any]]:
    """Log probabilities by word: the recogniser keeps them for words, not for the pieces they are made of."""
    return [
        {
            "token": word.text,
            "logprob": figure(math.log(max(word.probability, 1e-9))),
            "bytes": list(word.text.encode()),
        }
        for word in words
    ]


def language_name(code: str) -> str:
    """The English name of a language, in lower case, as OpenAI writes it."""
    return LANGUAGES.get(code, code)


def warnings(job: Job, transcript: Transcript) -> list[str]:
    """What the client should know, of its request and of the result, each once."""
    return list(dict.fromkeys((*job.warnings, *transcript.warnings)))


def segment_shape(segment: Segment, detail: Detail) -> dict[str, Any]:
    """A segment as ``json`` and the events of a job tell it."""
    told: dict[str, Any] = {
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": segment.text.strip(),
        "language": segment.language,
        "avg_logprob": figure(segment.avg_logprob),
        "no_speech_prob": figure(segment.no_speech_prob),
        "compression_ratio": figure(segment.compression_ratio),
        "temperature": segment.temperature,
    }
    if segment.channel is not None:
        told["channel"] = segment.channel
    if detail.speakers:
        told |= diarized.who(segment)
    if segment.words and detail.words:
        told["words"] = [{**_word(word, detail), "probability": figure(word.probability)} for word in segment.words]
    return told


def _openai_segment(number: int, segment: Segment, detail: Detail) -> dict[str, Any]:
    return {
        "id": number,
        "seek": round(segment.start * 100),
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": figure(segment.avg_logprob),
        "compression_ratio": figure(segment.compression_ratio),
        "no_speech_prob": figure(segment.no_speech_prob),
        **(diarized.who(segment) if detail.speakers else {}),
    }


def _word(word: Word, detail: Detail) -> dict[str, Any]:
    return {
        "word": word.text.strip(),
        "start": seconds(word.start),
        "end": seconds(word.end),
        **(diarized.who(word) if detail.speakers else {}),
    }
