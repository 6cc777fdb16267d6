# SPDX-License-Identifier: Apache-2.0
"""From the form of a request to what it asks for. Every field is read, or refused by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from harken.errors import InvalidOption
from harken.model import Channels, Mode, Options, Task
from harken.server.dialects.openai import speakers
from harken.server.dialects.openai.speakers import Speakers
from harken.server.forms import Fields, ignored

ResponseFormat = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json", "tsv", "ass", "rttm"]
FORMATS: tuple[str, ...] = get_args(ResponseFormat)
STREAMED: tuple[str, ...] = ("json", "text", "verbose_json", "diarized_json")
SUBTITLES: tuple[str, ...] = ("srt", "vtt", "ass")

_VAD_SETTINGS = {
    "threshold": ("vad_threshold", 1.0, 1.0),
    "prefix_padding_ms": ("vad_padding", 1000.0, 2000.0),
    "silence_duration_ms": ("vad_silence", 1000.0, 1000.0),
}
"""Of OpenAI's object: our option, what of theirs makes one of ours, and the most that is taken."""


@dataclass(frozen=True, slots=True)
class View:
    """How a result is to be told."""

    response_format: str = "json"
    granularities: tuple[str, ...] = ("segment",)
    logprobs: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON types, to be kept with a job."""
        return {
            "response_format": self.response_format,
            "granularities": list(self.granularities),
            "logprobs": self.logprobs,
        }

    @classmethod
    def of(cls, kept: dict[str, Any]) -> View:
        """The inverse of :meth:`plain`; a job of another dialect has nothing kept and gets the defaults."""
        default = cls()
        return cls(
            kept.get("response_format", default.response_format),
            tuple(kept.get("granularities", default.granularities)),
            kept.get("logprobs", default.logprobs),
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for."""

    options: Options
    view: View
    speakers: Speakers
    stream: bool
    warnings: tuple[str, ...]


def read(items: Iterable[tuple[str, str]], task: Task, *, streams: bool, left_out: Iterable[str] = ()) -> Ask:
    """The form's fields as options, view and warnings.

    ``streams`` says whether this endpoint can stream; ``left_out`` are names that the upload already left out.
    Raises InvalidOption, which names the field.
    """
    fields = Fields(items)
    view, word_timestamps = _view(fields)
    asked = speakers.read(fields, view.response_format)
    stream = fields.flag("stream") or False
    if stream and not streams:
        raise fields.bad("stream", "is for /v1/audio/transcriptions; follow a job at its /events")
    if stream and view.response_format not in STREAMED:
        raise fields.bad("response_format", f"cannot be streamed; with stream=true use one of {', '.join(STREAMED)}")
    defaults = Options()

    def flag(name: str, default: bool) -> bool:
        given = fields.flag(name)
        return default if given is None else given

    options = Options(
        model=fields.text("model"),
        language=fields.text("language"),
        languages=fields.many("languages"),
        task=task,
        prompt=fields.text("prompt", blank=False),
        vocabulary=(*fields.many("keywords"), *fields.many("vocabulary", split=True)),
        word_timestamps=word_timestamps,
        without_timestamps=flag("without_timestamps", defaults.without_timestamps),
        **_voice_detection(fields),
        condition_on_previous_text=flag("condition_on_previous_text", defaults.condition_on_previous_text),
        beam_size=fields.whole("beam_size", 1),
        best_of=fields.whole("best_of", 1),
        # OpenAI's 0 means: 0, and higher where the text is not good. That is what None means here.
        temperature=fields.number("temperature", 0, 1) or None,
        offset=fields.number("offset", 0) or 0.0,
        duration=fields.number("duration", 0),
        channels=_one_of(fields, "channels", get_args(Channels), defaults.channels),
        **asked.options,
        mode=_one_of(fields, "mode", get_args(Mode), defaults.mode),
        cpu_threads=fields.whole("cpu_threads", 1),
        num_workers=fields.whole("num_workers", 1),
    )
    left_out = tuple(left_out)
    if any(name.removesuffix("[]") == speakers.REFERENCES for name in left_out):
        raise fields.bad(speakers.REFERENCES, "must be data URLs (data:audio/wav;base64,...), not files")
    warnings = ignored((*fields.unread(), *left_out))
    return Ask(options, view, asked, stream, tuple(warnings))


def view_from(items: Iterable[tuple[str, str]], kept: View) -> View:
    """The view that a query asks for, over the one that was kept with the job."""
    items = list(items)
    fields = Fields(items)
    form = fields.text("response_format")
    granularities = fields.many("timestamp_granularities")
    for name, value in items:
        if name.removesuffix("[]") in ("response_format", "timestamp_granularities") and not value.strip():
            raise fields.bad(name, "is empty")
    return View(
        kept.response_format if form is None else _format(fields, form),
        _granularities(fields, granularities) if granularities else kept.granularities,
        kept.logprobs,
    )


def _view(fields: Fields) -> tuple[View, bool]:
    """The view, and whether words need times for it."""
    form = _format(fields, fields.text("response_format") or "json")
    granularities = _granularities(fields, fields.many("timestamp_granularities"))
    words = fields.flag("word_timestamps")
    if words is False and "word" in granularities:
        raise fields.bad("word_timestamps", "is false, yet timestamp_granularities asks for words")
    if words and "word" not in granularities:
        granularities = (*(granularities or ("segment",)), "word")
    include = fields.many("include")
    for name in include:
        if name != "logprobs":
            raise fields.bad("include", "takes 'logprobs' only")
    if include and form != "json":
        raise fields.bad("include", "goes with response_format=json only")
    # Cues are cut on word times, unless the client says that it does not want to wait for them.
    cues = form in SUBTITLES and words is None and not fields.flag("without_timestamps")
    timed = "word" in granularities or bool(include) or cues
    return View(form, granularities or ("segment",), bool(include)), timed


def _format(fields: Fields, form: str) -> str:
    if form not in FORMATS:
        raise fields.bad("response_format", f"must be one of {', '.join(FORMATS)}")
    return form


def _granularities(fields: Fields, given: tuple[str, ...]) -> tuple[str, ...]:
    for value in given:
        if value not in ("segment", "word"):
            raise fields.bad("timestamp_granularities", "takes 'segment' and 'word'")
    return tuple(dict.fromkeys(given))


def _voice_detection(fields: Fields) -> dict[str, Any]:
    """The options of voice activity detection."""
    given = fields.flag("vad_filter")
    chunking = fields.mapping("chunking_strategy")
    if chunking is None:
        return {} if given is None else {"vad_filter": given}
    if given is False:
        raise fields.bad("vad_filter", "is false, yet chunking_strategy asks for voice activity detection")
    if chunking == "auto":
        return {"vad_filter": True}
    if isinstance(chunking, str) or chunking.get("type") != "server_vad":
        raise fields.bad("chunking_strategy", "must be 'auto' or an object of type 'server_vad'")
    settings = Fields((name, value) for name, value in chunking.items() if name != "type")
    tuned: dict[str, Any] = {}
    try:
        for name, (option, unit, most) in _VAD_SETTINGS.items():
            value = settings.number(name, 0, most)
            if value is not None:
                tuned[option] = value / unit
    except InvalidOption as error:
        raise fields.bad("chunking_strategy", error.message) from None
    for name in settings.unread():
        raise fields.bad("chunking_strategy", f"has no setting {name!r}")
    return {"vad_filter": True, **tuned}


def _one_of(fields: Fields, name: str, allowed: tuple[Any, ...], default: Any) -> Any:
    given = fields.text(name)
    if given is None:
        return default
    if given not in allowed:
        raise fields.bad(name, f"must be one of {', '.join(allowed)}")
    return given
