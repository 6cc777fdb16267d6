# SPDX-License-Identifier: Apache-2.0
"""What may be asked for: the range of every option, and what a model can and cannot do.

Knows the catalog of models, no sound and no engine.
"""

from __future__ import annotations

import math
from typing import Any

from harken.asr import languages
from harken.errors import AudioTooLong, InvalidOption, UnknownLanguage
from harken.model import Options
from harken.models.catalog import Catalog

MAX_PROMPT = 32_000
"""Characters; Whisper hears about the last thousand."""
MAX_VOCABULARY = 500
"""Words."""
MAX_WORD = 100
"""Characters of one of them."""
MAX_SPEAKERS = 50
MAX_VOICES = 32
"""Known voices that one request may bring."""
MAX_NAME = 100
"""Characters of a voice's name."""
MAX_SECONDS = 10_000_000.0
"""Of offset and duration: about four months."""

_RANGES: dict[str, tuple[float, float]] = {
    "beam_size": (1, 20),
    "best_of": (1, 20),
    "temperature": (0.0, 1.0),
    "offset": (0.0, MAX_SECONDS),
    "duration": (0.0, MAX_SECONDS),
    "vad_threshold": (0.0, 1.0),
    "vad_padding": (0.0, 2.0),
    "vad_silence": (0.0, 1.0),
    "cpu_threads": (0, 1024),
    "num_workers": (0, 1024),
    "num_speakers": (1, MAX_SPEAKERS),
    "min_speakers": (1, MAX_SPEAKERS),
    "max_speakers": (1, MAX_SPEAKERS),
}
"""Lowest and highest value of each numeric option; None is always allowed where it is the default."""

_SPEAKERS = ("num_speakers", "min_speakers", "max_speakers")
_WHOLE = frozenset({"beam_size", "best_of", "cpu_threads", "num_workers", *_SPEAKERS})
_SWITCHES = ("word_timestamps", "without_timestamps", "vad_filter", "condition_on_previous_text", "diarize")
_CHOICES = {"task": ("transcribe", "translate"), "channels": ("mix", "split"), "mode": ("default", "fast")}


def validate(options: Options, catalog: Catalog) -> Options:
    """``options`` with the model's canonical name, the preset's defaults and the language's code.

    Raises:
        UnknownModel: nobody knows the model.
        UnknownLanguage: nobody knows the language.
        InvalidOption: a value is out of range, or the model cannot do what is asked; ``param`` names the option.
    """
    resolved = catalog.resolve(options.model)
    if resolved.preset is not None:
        options = resolved.preset.fill(options)
    _check_values(options)
    language = languages.resolve(options.language)
    among = _among(options, language)
    if len(among) == 1:
        language = among[0]
    if not resolved.spec.multilingual:
        if among and "en" not in among:
            raise InvalidOption(f"the model {resolved.name} knows English only", param="languages")
        if language not in {None, "en"}:
            raise InvalidOption(
                f"the model {resolved.name} knows English only, not {languages.LANGUAGES[language]}; "
                "take one whose name does not end in .en",
                param="language",
            )
        language = "en"
    if options.task == "translate" and not resolved.spec.can_translate:
        raise InvalidOption(
            f"the model {resolved.name} was not trained to translate; take base, small, medium or large-v3",
            param="task",
        )
    if options.without_timestamps and options.word_timestamps:
        raise InvalidOption("word times and no times cannot both be had", param="word_timestamps")
    if options.without_timestamps and options.timed_words:
        raise InvalidOption("speakers are told apart by times; send one or the other", param="without_timestamps")
    return options.but(
        model=resolved.name,
        language=language,
        languages=among if language is None else (),
        prompt=(options.prompt or "").strip() or None,
        vocabulary=tuple(word.strip() for word in options.vocabulary if word.strip()),
    )


def _among(options: Options, language: str | None) -> tuple[str, ...]:
    """The codes of the languages that the recording can be in."""
    try:
        codes = tuple(dict.fromkeys(code for name in options.languages if (code := languages.resolve(name))))
    except UnknownLanguage as error:
        raise UnknownLanguage(error.message, param="languages") from None
    if language is not None and codes and language not in codes:
        raise InvalidOption(f"the language {language} is not one of languages ({', '.join(codes)})", param="languages")
    return codes


def check_duration(duration: float | None, limit: float) -> None:
    """Raise AudioTooLong for a recording that is known to be longer than ``limit`` seconds."""
    if duration is not None and duration > limit:
        raise AudioTooLong(f"the recording has {duration:.0f} s of audio; at most {limit:.0f} s are taken")


def _check_values(options: Options) -> None:
    for name, (low, high) in _RANGES.items():
        value = getattr(options, name)
        if value is not None:
            _check_number(name, value, low, high)
    if options.duration is not None and options.duration <= 0:
        raise InvalidOption("duration must be more than 0 seconds; leave it out for all", param="duration")
    for name in _SWITCHES:
        if not isinstance(getattr(options, name), bool):
            raise InvalidOption(f"{name} must be true or false", param=name)
    for name, choices in _CHOICES.items():
        value = getattr(options, name)
        if value not in choices:
            raise InvalidOption(f"{name} must be {' or '.join(choices)}, not {value!r}", param=name)
    _check_text(options)
    _check_speakers(options)


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int if name in _WHOLE else (int, float)):
        raise InvalidOption(f"{name} must be a {'whole ' if name in _WHOLE else ''}number, not {value!r}", param=name)
    if not math.isfinite(value) or not low <= value <= high:
        raise InvalidOption(f"{name} must be between {low:g} and {high:g}, not {value}", param=name)


def _check_text(options: Options) -> None:
    if len(options.prompt or "") > MAX_PROMPT:
        raise InvalidOption(f"prompt must be text of at most {MAX_PROMPT} characters", param="prompt")
    words = options.vocabulary
    if len(words) > MAX_VOCABULARY or any(len(word) > MAX_WORD for word in words):
        raise InvalidOption(
            f"vocabulary takes at most {MAX_VOCABULARY} words of {MAX_WORD} characters each", param="vocabulary"
        )


def _check_speakers(options: Options) -> None:
    number, least, most = options.num_speakers, options.min_speakers, options.max_speakers
    if not options.diarize:
        for name in (*_SPEAKERS, "known_voices"):
            if getattr(options, name):
                raise InvalidOption(f"{name} means nothing without diarize", param=name)
    if least is not None and most is not None and least > most:
        raise InvalidOption(f"min_speakers ({least}) is more than max_speakers ({most})", param="min_speakers")
    if number is not None and not (least or 1) <= number <= (most or MAX_SPEAKERS):
        raise InvalidOption(
            f"num_speakers ({number}) is not between min_speakers and max_speakers; one of them is enough",
            param="num_speakers",
        )
    voices = options.known_voices
    if len(voices) > MAX_VOICES:
        raise InvalidOption(f"at most {MAX_VOICES} known voices are taken, not {len(voices)}", param="known_voices")
    names = [voice.name.strip() for voice in voices]
    if len(set(names)) < len(names):
        raise InvalidOption("two known voices have the same name", param="known_voices")
    if not all(0 < len(name) <= MAX_NAME for name in names):
        raise InvalidOption(f"a known voice has a name of 1 to {MAX_NAME} characters", param="known_voices")
