# SPDX-License-Identifier: Apache-2.0
"""Summaries, answers and spans that were heard again, as this dialect tells them. Knows no request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harken.model import Job, Segment, Stage, TextResult, Transcript
from harken.server import figures
from harken.server.dialects.suite import shapes
from harken.text import extractive, words
from harken.text.labels import label_by_id
from harken.text.providers import LOCAL

_DESCRIPTIONS = {
    extractive.NAME: "Quotes what was said; no language model",
    LOCAL: "A small language model on this machine",
}


def started(job: Job, stage: Stage) -> dict[str, Any]:
    """The answer to a new summary."""
    told = {"job_id": job.id, "status": figures.status(stage.state), "message": shapes.work_message(stage)}
    return {**told, "warnings": list(job.warnings)} if job.warnings else told


def status(job: Job, stage: Stage | None) -> dict[str, Any]:
    """How a summary stands; without a stage its recording has yet to be transcribed, or never will be."""
    state, progress = (job.state, 0.0) if stage is None else (stage.state, stage.progress)
    return {
        "status": figures.status(state),
        "message": shapes.message(job) if stage is None else shapes.work_message(stage),
        "progress": figures.percent(progress),
    }


def summary(job: Job, result: TextResult) -> dict[str, Any]:
    """A summary; its length is in words."""
    return {
        "summary": result.text,
        "topics": list(result.topics),
        "length": words.count(result.text),
        **_beside(job, result),
    }


def answer(job: Job, result: TextResult) -> dict[str, Any]:
    """The answer to a question."""
    usage = result.usage
    return {
        "message": {"role": "assistant", "content": result.text},
        "usage": {"prompt": usage.prompt, "completion": usage.completion, "total": usage.total},
        **_beside(job, result),
    }


def _beside(job: Job, result: TextResult) -> dict[str, Any]:
    """What made a text, what it rests on, and what to be careful with."""
    timed = any(source.end > 0 for source in result.sources)
    return {
        "model_used": result.model,
        "generated": result.generated,
        "sources": [
            {
                "index": source.index,
                "start": figures.seconds(source.start) if timed else None,
                "end": figures.seconds(source.end) if timed else None,
            }
            for source in result.sources
        ],
        "warnings": list(dict.fromkeys((*job.warnings, *result.warnings))),
    }


def chat_models(names: Sequence[str]) -> list[dict[str, Any]]:
    """What requests can name, the default first."""
    return [
        {
            "id": name,
            "name": name.capitalize() if name == extractive.NAME else name,
            "description": _DESCRIPTIONS.get(name, "A language model that this server was set up with"),
            "is_default": place == 0,
        }
        for place, name in enumerate(names)
    ]


def heard(segment_id: str, job: Job, transcript: Transcript, speaker: str | None) -> dict[str, Any]:
    """A span that was transcribed again."""
    return {
        "segment_id": segment_id,
        "text": transcript.text,
        "confidence": round(confidence(transcript.segments), 4),
        "speaker": speaker,
        "model_used": transcript.model,
        "warnings": list(dict.fromkeys((*job.warnings, *transcript.warnings))),
    }


def confidence(segments: Sequence[Segment]) -> float:
    """How sure the recogniser is of a text, 0 to 1: the mean of its words' probabilities; 0 of nothing.

    Where words have none, their segment's tokens' geometric mean stands for each of them.
    """
    sure: list[float] = []
    for segment in segments:
        likely = min(1.0, math.exp(segment.avg_logprob))
        sure += [word.probability for word in segment.words] or [likely] * words.count(segment.text)
    return sum(sure) / len(sure) if sure else 0.0


def speaker_of(transcript: Transcript | None, start: float, end: float) -> str | None:
    """The label of who speaks most of ``[start, end)`` in seconds; None where nobody looked, or nobody speaks."""
    if transcript is None:
        return None
    spoken: dict[str, float] = {}
    for part in transcript.turns or transcript.segments:
        shared = min(part.end, end) - max(part.start, start)
        if part.speaker is not None and shared > 0:
            spoken[part.speaker] = spoken.get(part.speaker, 0.0) + shared
    return label_by_id(transcript).get(max(spoken, key=lambda who: spoken[who])) if spoken else None
