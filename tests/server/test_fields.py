# SPDX-License-Identifier: Apache-2.0
"""Forms as clients write them, and every field refused by name when it is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken.errors import InvalidRequest
from harken.models.catalog import Catalog
from harken.pipeline import validate
from harken.server.dialects.openai.fields import Ask, View, read

CATALOG = Catalog()


def ask(*items: tuple[str, str], streams: bool = True) -> Ask:
    asked = read(items, "transcribe", streams=streams)
    validate(asked.options, CATALOG)
    return asked


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            (name, value)
            for name in (
                "beam_size",
                "best_of",
                "cpu_threads",
                "num_workers",
                "num_speakers",
                "min_speakers",
                "max_speakers",
            )
            for value in ("-1", "0", "1.5", "NaN", "1e3", "0x10", "९", "ten", "9" * 500, "99999", "true")
        ],
        *[
            (name, value)
            for name in ("temperature", "offset", "duration")
            for value in ("-0.1", "nan", "inf", "-inf", "1e400", "1_0", "٣", "x", "0.5.5", "9" * 500)
        ],
        ("temperature", "1.01"),
        ("num_speakers", "51"),
        ("offset", "1e9"),
        ("duration", "0"),
        *[
            (name, value)
            for name in (
                "vad_filter",
                "condition_on_previous_text",
                "without_timestamps",
                "word_timestamps",
                "stream",
                "diarize",
            )
            for value in ("2", "maybe", "-1", "truee", "[]")
        ],
        ("mode", "turbo"),
        ("channels", "left"),
        ("response_format", "SRT"),
        ("model", "no-such-model"),
        ("model", "silero-vad"),
        ("language", "klingon"),
        ("prompt", "x" * 33_000),
        ("timestamp_granularities[]", "letter"),
        ("include[]", "everything"),
        ("chunking_strategy", "manual"),
        ("chunking_strategy", "{"),
        ("chunking_strategy", '{"type": "client_vad"}'),
        ("chunking_strategy", '{"type": "server_vad", "threshold": 1.5}'),
        ("chunking_strategy", '{"type": "server_vad", "silence_duration_ms": -1}'),
        ("chunking_strategy", '{"type": "server_vad", "prefix_padding_ms": "NaN"}'),
        ("chunking_strategy", '{"type": "server_vad", "colour": "red"}'),
        ("chunking_strategy", '{"threshold": 0.5}'),
        ("chunking_strategy", "{" * 5000),
        ("chunking_strategy[type]", "client_vad"),
        ("known_speaker_names[]", "x" * 101),
        ("known_speaker_names", '["Zoë", "Zoë"]'),
        ("known_speaker_names", json.dumps([str(number) for number in range(33)])),
        *[
            ("known_speaker_references[]", value)
            for value in (
                "https://example.com/zoe.wav",
                "UklGRg==",
                "data:audio/wav;base64",
                "data:audio/wav;base64,UklGRg=",
                "data:audio/wav;base64,Ukl*Rg==",
                json.dumps(["data:,a"] * 5),
            )
        ],
        ("vocabulary", "[1]"),
        ("vocabulary", "[" * 5000),
        ("vocabulary", ",".join(["word"] * 501)),
        ("keywords[]", "x" * 101),
    ],
)
def test_a_wrong_value_names_its_field(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask((name, value))
    assert refused.value.param is not None
    assert refused.value.param.split("[")[0] in {name.split("[", maxsplit=1)[0], "vocabulary"}
    assert len(refused.value.message) < 500


@pytest.mark.parametrize(
    "items",
    [
        [("language", "en"), ("languages[]", "de")],
        [("languages[]", "fr"), ("languages[]", "de"), ("model", "base.en")],
        [("languages[]", "en"), ("languages[]", "klingon")],
        [("vad_filter", "false"), ("chunking_strategy", "auto")],
        [("word_timestamps", "false"), ("timestamp_granularities[]", "word")],
        [("word_timestamps", "true"), ("without_timestamps", "true")],
        [("include[]", "logprobs"), ("response_format", "verbose_json")],
        [("stream", "true"), ("response_format", "srt")],
        [("stream", "true"), ("response_format", "rttm")],
        [("diarize", "false"), ("response_format", "diarized_json")],
        [("diarize", "false"), ("response_format", "rttm")],
        [("diarize", "0"), ("num_speakers", "2")],
        [("diarize", "0"), ("known_speaker_names[]", "Zoë")],
        [("diarize", "true"), ("without_timestamps", "true")],
        [("min_speakers", "3"), ("max_speakers", "2")],
        [("num_speakers", "4"), ("max_speakers", "2")],
        [("include[]", "logprobs"), ("response_format", "diarized_json")],
        [("model", "base"), ("model", "tiny")],
        [("model", "base"), ("model[]", "tiny")],
        [("chunking_strategy", "auto"), ("chunking_strategy[type]", "server_vad")],
        [("model", "base.en"), ("language", "fr")],
    ],
)
def test_what_does_not_go_together_is_refused(items: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest):
        ask(*items)


@pytest.mark.parametrize(
    "items",
    [
        [("chunking_strategy", "auto")],
        [("chunking_strategy", '{"type": "server_vad"}')],
        [("chunking_strategy[type]", "server_vad")],
    ],
)
def test_chunking_strategies(items: list[tuple[str, str]]) -> None:
    assert ask(*items).options.vad_filter
    assert ask(*items).warnings == ()


def test_voice_detection_is_tuned_in_openais_units() -> None:
    fields = {"type": "server_vad", "threshold": 0.6, "prefix_padding_ms": 300, "silence_duration_ms": 200}
    as_json = ask(("chunking_strategy", json.dumps(fields))).options
    as_fields = ask(*((f"chunking_strategy[{name}]", str(value)) for name, value in fields.items())).options
    assert as_json == as_fields
    assert (as_json.vad_threshold, as_json.vad_padding, as_json.vad_silence) == (0.6, 0.3, 0.2)


@pytest.mark.parametrize(
    "items",
    [
        [("keywords[]", "Zoë"), ("keywords[]", "harken")],
        [("keywords", "Zoë"), ("keywords", "harken")],
        [("keywords", '["Zoë", "harken"]')],
        [("vocabulary", "Zoë, harken,")],
        [("vocabulary", '["Zoë", " harken "]')],
        [("keywords[]", "Zoë"), ("vocabulary", "harken")],
    ],
)
def test_lists_in_all_their_spellings(items: list[tuple[str, str]]) -> None:
    assert ask(*items).options.vocabulary == ("Zoë", "harken")


def test_empty_fields_are_as_if_not_sent() -> None:
    names = (
        "model", "language", "prompt", "temperature", "beam_size", "best_of", "vad_filter", "response_format", "stream",
        "timestamp_granularities[]", "chunking_strategy", "include[]", "known_speaker_names[]",
        "known_speaker_references[]", "keywords[]", "mode",
        "diarize", "num_speakers", "min_speakers", "max_speakers",
        "offset", "duration", "cpu_threads", "channels",
    )  # fmt: skip
    assert ask(*((name, " ") for name in names)) == ask()


@pytest.mark.parametrize(
    ("spelling", "value"), [("TRUE", True), ("1", True), ("on", True), ("False", False), ("0", False)]
)
def test_flags(spelling: str, value: bool) -> None:
    assert ask(("vad_filter", spelling)).options.vad_filter is value
    assert ask(("condition_on_previous_text", spelling)).options.condition_on_previous_text is value


@pytest.mark.parametrize("language", ["auto", "", "AUTO"])
def test_detection(language: str) -> None:
    asked = ask(("language", language))
    assert validate(asked.options, CATALOG).language is None


def test_one_candidate_language_is_the_language() -> None:
    asked = [ask(("languages[]", "de")), ask(("languages[]", "German"), ("language", "de"))]
    for one in asked:
        options = validate(one.options, CATALOG)
        assert (options.language, options.languages) == ("de", ())


def test_candidate_languages() -> None:
    options = validate(ask(("languages[]", "de"), ("languages[]", "French"), ("languages", "de")).options, CATALOG)
    assert (options.language, options.languages) == (None, ("de", "fr"))


def test_word_times_come_with_subtitles_unless_refused() -> None:
    assert ask(("response_format", "srt")).options.word_timestamps
    assert not ask(("response_format", "srt"), ("word_timestamps", "false")).options.word_timestamps
    assert not ask(("response_format", "srt"), ("without_timestamps", "true")).options.word_timestamps
    assert not ask(("response_format", "tsv")).options.word_timestamps


@pytest.mark.parametrize(
    "items",
    [
        [("diarize", "true")],
        [("response_format", "diarized_json")],
        [("response_format", "rttm")],
        [("num_speakers", "2")],
        [("min_speakers", "1")],
        [("max_speakers", "50")],
        [("known_speaker_names[]", "Zoë")],
        [("known_speaker_names", "Zoë"), ("known_speaker_references", "data:;base64,UklGRg==")],
    ],
)
def test_whatever_needs_speakers_asks_for_them(items: list[tuple[str, str]]) -> None:
    asked = ask(*items)
    assert asked.options.diarize
    assert not asked.options.word_timestamps, "words are timed, and not told"
    assert asked.warnings == ()


def test_speakers_are_not_told_apart_unless_asked() -> None:
    assert not ask().options.diarize
    assert not ask(("diarize", "false"), ("response_format", "verbose_json")).options.diarize


@pytest.mark.parametrize(
    ("url", "content"),
    [
        ("data:audio/wav;base64,UklGRg==", b"RIFF"),
        ("data:;base64,UklGRg==", b"RIFF"),
        ("DATA:audio/wav;codec=pcm;BASE64,UklG\r\nRg==", b"RIFF"),
        ("data:audio/wav;base64,UklGRg%3D%3D", b"RIFF"),
        ("data:audio/wav,RI%46F", b"RIFF"),
        ("data:,", b""),
    ],
)
def test_references_are_read(url: str, content: bytes) -> None:
    assert ask(("known_speaker_references[]", url)).speakers.references == (content,)


def test_counts_of_speakers() -> None:
    options = ask(("min_speakers", "2"), ("max_speakers", "4"), ("num_speakers", "3")).options
    assert (options.num_speakers, options.min_speakers, options.max_speakers) == (3, 2, 4)


def test_references_as_files_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="not files"):
        read([], "transcribe", streams=True, left_out=["known_speaker_references[]"])


def test_a_view_survives_being_kept() -> None:
    asked = ask(("response_format", "json"), ("word_timestamps", "1"), ("include[]", "logprobs"))
    assert View.of(asked.view.plain()) == asked.view
    assert View.of({}) == View()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "model", "language", "temperature", "beam_size", "chunking_strategy", "chunking_strategy[type]",
                    "keywords[]", "vocabulary", "stream", "include[]", "offset", "known_speaker_names[]",
                    "known_speaker_references[]", "diarize", "num_speakers", "[]", "", "a[b", "chunking_strategy[",
                ]
            ),
            st.text(max_size=30),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_nothing_but_its_own_errors(items: list[tuple[str, str]]) -> None:
    refused: InvalidRequest | None = None
    try:
        ask(*items)
    except InvalidRequest as error:
        refused = error
    assert refused is None or refused.param is not None
