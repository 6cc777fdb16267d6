# SPDX-License-Identifier: Apache-2.0
"""Jobs and deliveries as this dialect tells them, to who asks and to webhooks. Knows no request."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from harken.asr.languages import LANGUAGES
from harken.errors import JobNotFound
from harken.model import Delivery, DeliveryState, Job, JobState, Segment, StageKind, TextResult, Transcript, Word
from harken.model.credits import CREDIT
from harken.server.dialects.hosted.fields import timed
from harken.server.figures import figure, percent, seconds, status
from harken.server.problems import Problem
from harken.service import Ending, Service, prices
from harken.text.labels import label

DETECTED = {"code": "", "name": "Auto-detect"}
"""The first of the languages."""


def error_shape(problem: Problem, request_id: str) -> dict[str, Any]:  # noqa: ARG001  it is a Shape
    """An error."""
    return {"error": problem.code, "message": problem.message}


def accepted(job: Job, estimate: int | None) -> dict[str, Any]:
    """The answer to a new job; ``estimate`` is in thousandths of a credit, None where nobody knows yet."""
    told = {"id": job.id, "status": status(job.state), "estimated_credits": estimate and estimate / CREDIT}
    return {**told, "warnings": list(job.warnings)} if job.warnings else told


def listed(job: Job) -> dict[str, Any]:
    """A job in a list."""
    return {
        "id": job.id,
        "status": status(job.state),
        "progress": percent(job.progress),
        "filename": job.filename,
        "url": job.source,
        "created_at": job.created,
        "duration_seconds": None if job.duration is None else seconds(job.duration),
        **_error(job),
    }


def result(found: Ending, *, segments: bool) -> dict[str, Any]:
    """A job as it stands, with everything that came of it once it has completed. Raises JobNotFound."""
    job, transcript = found.job, found.transcript
    told: dict[str, Any] = {"id": job.id, "status": status(job.state)}
    if job.state is not JobState.COMPLETED:
        told |= _error(job) if job.state.ended else {"progress": percent(job.progress)}
        return {**told, "warnings": list(job.warnings)} if job.warnings else told
    if transcript is None:
        raise JobNotFound(f"job {job.id} was deleted just now")
    called = labels(transcript)
    summary = _summary(found)
    told |= {
        "transcript": transcript.text,
        "duration_seconds": seconds(transcript.duration),
        "language": transcript.language,
        "model": transcript.model,
        "credits_used": prices.spent(job, found.stages) / CREDIT,
        "speakers": [
            {"id": speaker.id, "label": called[speaker.id], "speaking_time": seconds(speaker.speaking_time)}
            for speaker in transcript.speakers
        ],
        "summary": None if summary is None else summary.text,
        "topics": [] if summary is None else list(summary.topics),
        "warnings": list(
            dict.fromkeys((*job.warnings, *transcript.warnings, *(() if summary is None else summary.warnings)))
        ),
    }
    if segments:
        told["segments"] = [_segment(segment, called, job) for segment in transcript.segments]
    return told


def draw(ending: Ending) -> bytes:
    """The body of a webhook's message: what is told to who asks, without the segments, which can be very many."""
    return json.dumps(result(ending, segments=False), ensure_ascii=False).encode()


def labels(transcript: Transcript) -> dict[str, str]:
    """What every speaker is called, by id: the name, else a number."""
    return {
        speaker.id: label(speaker) if speaker.name else f"Speaker {number}"
        for number, speaker in enumerate(transcript.speakers, 1)
    }


def languages() -> list[dict[str, str]]:
    """Every language by its name, after the wish to have it found out."""
    named = sorted((name.title(), code) for code, name in LANGUAGES.items())
    return [DETECTED, *({"code": code, "name": name} for name, code in named)]


def delivery_shape(delivery: Delivery) -> dict[str, Any]:
    """A message to a webhook, with every try. Times are seconds since the epoch."""
    return {
        "id": delivery.id,
        "transcription_id": delivery.job_id,
        "url": delivery.url,
        "status": delivery.state.value,
        "created_at": delivery.created,
        "next_try_at": delivery.due if delivery.state is DeliveryState.WAITING else None,
        "ended_at": delivery.ended,
        "tries": [
            {
                "at": one.at,
                "seconds": seconds(one.seconds),
                "delivered": one.outcome == DeliveryState.DELIVERED,
                "status_code": one.status,
                "reason": one.reason,
            }
            for one in delivery.tries
        ],
    }


def _summary(found: Ending) -> TextResult | None:
    """The latest summary there is."""
    made = [stage for stage in found.stages if stage.kind is StageKind.SUMMARISE and stage.result is not None]
    return max(made, key=lambda stage: stage.created).result if made else None


def _error(job: Job) -> dict[str, str]:
    """Why there is nothing, where that is so."""
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        return {}
    error = Service.failure(job)
    return {"error": error.code, "error_message": error.message}


def _segment(segment: Segment, called: Mapping[str, str], job: Job) -> dict[str, Any]:
    times = {"start": seconds(segment.start), "end": seconds(segment.end)} if timed(job.view) else {}
    told: dict[str, Any] = {
        **times,
        "text": segment.text.strip(),
        "speaker": called.get(segment.speaker or ""),
        "confidence": figure(_confidence(segment)),
    }
    if job.options.word_timestamps:
        told["words"] = [_word(word, called) for word in segment.words]
    return told


def _word(word: Word, called: Mapping[str, str]) -> dict[str, Any]:
    return {
        "start": seconds(word.start),
        "end": seconds(word.end),
        "word": word.text.strip(),
        "speaker": called.get(word.speaker or ""),
        "confidence": figure(word.probability),
    }


def _confidence(segment: Segment) -> float:
    """How sure the text is, 0 to 1: of its own words where they are known, else of all that was heard with it."""
    if segment.words:
        return sum(word.probability for word in segment.words) / len(segment.words)
    return math.exp(min(0.0, segment.avg_logprob))
