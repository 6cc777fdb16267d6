# SPDX-License-Identifier: Apache-2.0
"""Words to expect: what is put in and what is not, with a decoder whose likings are known, and on real speech."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from harken.asr.decoding import Alignment, Decoder, Encoded
from harken.asr.engine import Context, Recognizer, load
from harken.asr.hotwords import HotWords
from harken.asr.quality import Hypothesis, Reading
from harken.asr.tokens import WhisperTokens
from harken.asr.windows import PlannedWindow
from harken.audio.vad import SileroDetector
from harken.model import SAMPLE_RATE, Options, Window, WindowResult
from harken.pipeline import Planner

ENGLISH = Options(language="en")

LISTED = (
    "Abernathy Achterberg Adeyemi Ahlgren Aldebaran Amenhotep Anaximander Aravind Ashurbanipal Balthasar Bazalgette "
    "Bergstrom Bhattacharya Boudicca Brunelleschi Caracalla Castiglione Chandrasekhar Chernyshev Christchurch "
    "Clytemnestra Copernicus Cunningham Dagenham Danilovich Deuteronomy Dimitrov Dostoevsky Dubrovnik Eisenstein "
    "Ekaterinburg Erasmus Esterhazy Eurydice Fauntleroy Fibonacci Fitzgerald Friedrichshafen Galapagos Garibaldi "
    "Gesualdo Giordano Godunov Gotthelf Grigorenko Gulbenkian Hammarskjold Hatshepsut Heliopolis Hieronymus "
    "Huitzilopochtli Ibsen Ignatius Isfahan Jakobson Jaramillo Jowett Kalashnikov Karamazov Khachaturian "
    "Kierkegaard Kilimanjaro Kosciuszko Krasnodar Lachesis Lagerkvist Lemaitre Liechtenstein Lobachevsky "
    "Lutoslawski Machiavelli Maimonides Mandelbrot Matsushita Mephisto Montessori Mozambique Nabokov Nebuchadnezzar "
    "Nefertiti Nietzsche Novosibirsk Oppenheimer Ouagadougou Paderewski Palestrina Paracelsus Pergolesi Pestalozzi "
    "Piccadilly Pocahontas Ptolemy Pythagoras Quetzalcoatl Rachmaninov Ramanujan Reykjavik Rimsky Rosicrucian "
    "Salamanca Sankaran Savonarola Scheherazade Schopenhauer Shostakovich Sibelius Stockhausen Stravinsky "
    "Szymanowski Tchaikovsky Telemachus Theodorakis Thucydides Timbuktu Tocqueville Uzbekistan Valparaiso Velazquez "
    "Vercingetorix Vladivostok Wittgenstein Xenophon Yevtushenko Zarathustra Zeppelin Zoroaster"
)
NAMES = tuple(LISTED.split())


class Scripted:
    """Likes some texts, and remembers what it was asked."""

    def __init__(self, tokens: WhisperTokens, liked: dict[str, float]) -> None:
        self.tokens = tokens
        self.liked = liked
        self.asked: list[tuple[str, str]] = []

    def align(self, encoded: Encoded, row: int, start: Sequence[int], text: Sequence[int], seconds: float) -> Alignment:
        del encoded, row, seconds
        said = self.tokens.decode(text)
        self.asked.append((self.tokens.decode(start), said))
        probability = next((value for part, value in self.liked.items() if part in said), 0.5)
        return Alignment(tuple([0.0] * (len(text) + 1)), (probability ** (1 / len(text)),) * len(text))


@pytest.fixture(scope="module")
def tokens(base_model: Path) -> WhisperTokens:
    return WhisperTokens(base_model)


@pytest.fixture
def weigh(tokens: WhisperTokens) -> Callable[..., tuple[str, Scripted]]:
    def weighed(text: str, vocabulary: Sequence[str], liked: dict[str, float], **told: float) -> tuple[str, Scripted]:
        zero = tokens.first_timestamp
        parts = [[zero, *tokens.encode(part), zero + 100] for part in text.split("|")]
        hypothesis = Hypothesis(tuple(chain.from_iterable(parts)), told.get("logprob", -0.3), told.get("silent", 0.0))
        decoder = Scripted(tokens, liked)
        words = HotWords(cast("Decoder", decoder), tokens)
        encoded = Encoded(np.zeros((1, 1)), 600)
        reading = Reading(hypothesis, text.replace("|", "").strip())
        start = tokens.start_sequence("en", "transcribe")
        found = words.weigh(encoded, 0, reading, start, "en", 4.0, vocabulary)
        assert [token for token in found.hypothesis.tokens if token >= zero] == [zero, zero + 100] * len(parts)
        assert found.text == tokens.decode(found.hypothesis.tokens).strip()
        return tokens.decode(found.hypothesis.tokens), decoder

    return weighed


def test_a_listed_word_stands_where_the_sound_makes_it_likelier(weigh: Callable[..., tuple[str, Scripted]]) -> None:
    liked = {"Kubernetes": 0.4, "Cubanites": 0.01}
    text, decoder = weigh(" We use Cubanites, now.", ["Kubernetes", "Zeppelin"], liked)
    assert text == " We use Kubernetes, now."
    # Weighed with the words in the prompt, those that are like nothing heard left out.
    assert {prompt for prompt, said in decoder.asked if "Kubernetes" in said} == {" Kubernetes"}


def test_a_word_that_is_no_likelier_is_not_put_in(weigh: Callable[..., tuple[str, Scripted]]) -> None:
    text, decoder = weigh(" We use Cubanites, now.", ["Kubernetes"], {"Kubernetes": 0.01, "Cubanites": 0.4})
    assert text == " We use Cubanites, now."
    assert any("Kubernetes" in said for _, said in decoder.asked)


def test_the_less_alike_a_word_is_the_likelier_it_must_be(weigh: Callable[..., tuple[str, Scripted]]) -> None:
    assert weigh(" Please call Kaloknik.", ["Kowalczyk"], {"Kowalczyk": 0.3, "Kaloknik": 0.1})[0].endswith("Kaloknik.")
    assert weigh(" Please call Kaloknik.", ["Kowalczyk"], {"Kowalczyk": 0.3, "Kaloknik": 1e-4})[0].endswith(
        "Kowalczyk."
    )


@pytest.mark.parametrize(
    ("heard", "entry", "expected"),
    [
        (" Ask Shoffer's son.", "Schoeffer", " Ask Schoeffer's son."),
        (' He said "Shoffer".', "Schoeffer", ' He said "Schoeffer".'),
        (" Hark in hears.", "harken", " Harken hears."),
        (" Fine. Hark in hears.", "harken", " Fine. Harken hears."),
        (" The hark in hears.", "harken", " The harken hears."),
        (" We like open AI, too.", "OpenAI", " We like OpenAI, too."),
        (" Nous allons a l'Akila.", "Aquila", " Nous allons a l'Aquila."),
        (" It goes through pro-kip-c.", "Poughkeepsie", " It goes through Poughkeepsie."),
    ],
)
def test_signs_and_case_stay_as_they_should(
    weigh: Callable[..., tuple[str, Scripted]], heard: str, entry: str, expected: str
) -> None:
    liked = {entry: 0.9, entry.capitalize(): 0.9, heard: 1e-6}
    assert weigh(heard, [entry], liked)[0] == expected


@pytest.mark.parametrize(("heard", "entry"), [(" Harken hears.", "harken"), (" Ask Schoeffer.", "Schoeffer")])
def test_what_is_there_already_is_not_asked_for(
    weigh: Callable[..., tuple[str, Scripted]], heard: str, entry: str
) -> None:
    text, decoder = weigh(heard, [entry], {})
    assert text == heard
    assert decoder.asked == []


def test_words_on_both_sides_of_a_timestamp_are_not_one(weigh: Callable[..., tuple[str, Scripted]]) -> None:
    liked = {"Kubernetes": 0.9}
    assert weigh(" we use cooper| net ease now", ["Kubernetes"], liked)[0] == " we use cooper net ease now"
    assert weigh(" we use|cooper net ease now", ["Kubernetes"], {"cooper": 1e-6} | liked)[0].endswith("Kubernetes now")


def test_a_text_that_is_not_believed_stays(weigh: Callable[..., tuple[str, Scripted]]) -> None:
    """Text on silence and text that failed are no ground to put a word on."""
    liked = {"Yowe": 0.9, "you": 1e-6}
    assert weigh(" Thank you.", ["Yowe"], liked)[0] == " Thank Yowe."
    assert weigh(" Thank you.", ["Yowe"], liked, silent=0.5)[0] == " Thank you."
    assert weigh(" Tell you.", ["Yowe"], liked, logprob=-1.2)[0] == " Tell you."
    assert weigh(" Tell you.", ["Yowe"], liked, logprob=-1.2, silent=0.9)[0] == " Tell you."


def test_a_long_list_costs_no_more_than_the_clip_allows(weigh: Callable[..., tuple[str, Scripted]]) -> None:
    near = [f"Cuban{first}t{second}s" for first in "aeiouy" for second in "aeiouy"]
    _, decoder = weigh(" We use Cubanites, now.", near, {"Cubanites": 1e-6})
    assert len(decoder.asked) <= 2 + 4 + 4 + 1
    assert max(len(prompt) for prompt, _ in decoder.asked) < 500


@pytest.fixture(scope="module")
def recognizer(base_model: Path) -> Iterator[Recognizer]:
    loaded = load(base_model, device="cpu")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def vad(vad_model: Path) -> SileroDetector:
    return SileroDetector(vad_model)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory, vad: SileroDetector) -> PlannedWindow:
    """Names that Whisper base does not know, said by a machine."""
    path = tmp_path_factory.mktemp("spoken") / "names.wav"
    said = "We deployed the service to Kubernetes, and Anneliese Vanderbeek thanked the committee."
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "145", "-w", str(path), said], check=True)
    [window] = planned(path, vad)
    return window


def planned(path: Path, vad: SileroDetector) -> list[PlannedWindow]:
    with Planner(path, Options(), vad) as planner:
        return list(planner.next(100).windows)


def text(results: list[WindowResult]) -> str:
    return "".join(segment.text for result in results for segment in result.segments)


def test_names_of_a_long_list_are_heard_and_the_rest_of_the_text_stays(
    recognizer: Recognizer, spoken: PlannedWindow
) -> None:
    said = ("Kubernetes", "Anneliese", "Vanderbeek")
    options = ENGLISH.but(word_timestamps=True, vocabulary=(*NAMES[:60], *said, *NAMES[60:]))
    [plain], [hot] = (recognizer.recognise([spoken], ask, Context()) for ask in (ENGLISH, options))
    assert not any(name in text([plain]) for name in said)
    assert sum(name in text([hot]) for name in said) >= 2
    assert not any(name in text([hot]) for name in NAMES)
    assert "deployed" in text([plain])
    assert "deployed" in text([hot])
    timed = [word for segment in hot.segments for word in segment.words]
    assert "".join(word.text for word in timed) == text([hot])
    assert all(word.end > word.start for word in timed)
    alone, beside = (
        recognizer.recognise([spoken], options, Context()),
        recognizer.recognise([spoken, spoken], options, Context()),
    )
    assert alone == [hot]
    assert beside == [hot, hot]


def test_names_that_are_not_said_change_nothing(
    recognizer: Recognizer, two_cities_wav: Path, vad: SileroDetector
) -> None:
    window = planned(two_cities_wav, vad)[0]
    plain, hot = (
        text(recognizer.recognise([window], options, Context())) for options in (ENGLISH, ENGLISH.but(vocabulary=NAMES))
    )
    assert hot == plain
    assert len(re.findall(r"\w+", plain)) > 20


def test_a_list_is_not_said_where_nobody_speaks(recognizer: Recognizer) -> None:
    options = ENGLISH.but(vocabulary=("you", "Yowe", "thank you", *NAMES))
    noise = np.random.default_rng(1).normal(0, 0.05, 5 * SAMPLE_RATE).astype(np.float32)
    for samples in (noise, np.zeros(5 * SAMPLE_RATE, np.float32)):
        [result] = recognizer.recognise([PlannedWindow(Window(0, 5), samples)], options, Context())
        assert result.segments == ()
        assert not any(name in item.text for item in result.dropped for name in NAMES)
