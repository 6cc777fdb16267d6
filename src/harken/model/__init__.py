# SPDX-License-Identifier: Apache-2.0
"""The nouns of harken: words, segments, speakers, transcripts, options, jobs, accounts and credits.

Frozen dataclasses and enums, times in seconds, no I/O. Everything else imports this room and it imports nothing of
harken, so it knows no engine, no database and no dialect.
"""

from harken.model.accounts import EVERYDAY, Account, ApiKey, AuditEntry, Policy, Scope, Session
from harken.model.credits import CreditEntry, CreditKind, Quote
from harken.model.jobs import Job, JobState, Lane, Stage, StageKind, excuse, without_excuse
from harken.model.options import Channels, Mode, Options, Task
from harken.model.plain import (
    diarization_from,
    dropped_from,
    options_from,
    plain,
    result_from,
    segment_from,
    task_from,
    text_result_from,
    transcript_from,
    voice_from,
    window_from,
)
from harken.model.speakers import Diarization, KnownVoice, Speaker, Turn, Voice
from harken.model.texts import (
    Chat,
    Format,
    Message,
    Source,
    Style,
    Summarise,
    TextResult,
    TextTask,
    Usage,
)
from harken.model.transcript import (
    SAMPLE_RATE,
    Coverage,
    Dropped,
    DropReason,
    MediaInfo,
    Segment,
    Timing,
    Transcript,
    Window,
    WindowResult,
    Word,
)
from harken.model.webhooks import Delivery, DeliveryState, Try

__all__ = [
    "EVERYDAY",
    "SAMPLE_RATE",
    "Account",
    "ApiKey",
    "AuditEntry",
    "Channels",
    "Chat",
    "Coverage",
    "CreditEntry",
    "CreditKind",
    "Delivery",
    "DeliveryState",
    "Diarization",
    "DropReason",
    "Dropped",
    "Format",
    "Job",
    "JobState",
    "KnownVoice",
    "Lane",
    "MediaInfo",
    "Message",
    "Mode",
    "Options",
    "Policy",
    "Quote",
    "Scope",
    "Segment",
    "Session",
    "Source",
    "Speaker",
    "Stage",
    "StageKind",
    "Style",
    "Summarise",
    "Task",
    "TextResult",
    "TextTask",
    "Timing",
    "Transcript",
    "Try",
    "Turn",
    "Usage",
    "Voice",
    "Window",
    "WindowResult",
    "Word",
    "diarization_from",
    "dropped_from",
    "excuse",
    "options_from",
    "plain",
    "result_from",
    "segment_from",
    "task_from",
    "text_result_from",
    "transcript_from",
    "voice_from",
    "window_from",
    "without_excuse",
]
