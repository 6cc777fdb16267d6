# SPDX-License-Identifier: Apache-2.0
"""The languages of Whisper: ISO 639-1 codes, English names and the other names people use."""

from __future__ import annotations

from harken.errors import UnknownLanguage

_TABLE = """
af afrikaans|am amharic|ar arabic|as assamese|az azerbaijani|ba bashkir|be belarusian|bg bulgarian|bn bengali
bo tibetan|br breton|bs bosnian|ca catalan|cs czech|cy welsh|da danish|de german|el greek|en english|es spanish
et estonian|eu basque|fa persian|fi finnish|fo faroese|fr french|gl galician|gu gujarati|ha hausa|haw hawaiian
he hebrew|hi hindi|hr croatian|ht haitian creole|hu hungarian|hy armenian|id indonesian|is icelandic|it italian
ja japanese|jw javanese|ka georgian|kk kazakh|km khmer|kn kannada|ko korean|la latin|lb luxembourgish|ln lingala
lo lao|lt lithuanian|lv latvian|mg malagasy|mi maori|mk macedonian|ml malayalam|mn mongolian|mr marathi|ms malay
mt maltese|my myanmar|ne nepali|nl dutch|nn nynorsk|no norwegian|oc occitan|pa punjabi|pl polish|ps pashto
pt portuguese|ro romanian|ru russian|sa sanskrit|sd sindhi|si sinhala|sk slovak|sl slovenian|sn shona|so somali
sq albanian|sr serbian|su sundanese|sv swedish|sw swahili|ta tamil|te telugu|tg tajik|th thai|tk turkmen|tl tagalog
tr turkish|tt tatar|uk ukrainian|ur urdu|uz uzbek|vi vietnamese|yi yiddish|yo yoruba|zh chinese
"""

LANGUAGES: dict[str, str] = dict(entry.split(" ", 1) for entry in _TABLE.strip().replace("\n", "|").split("|"))
"""English name of each of the 99 codes, in lower case. ``jw`` is what Whisper calls Javanese."""

_ALIASES = {
    "burmese": "my",
    "cantonese": "zh",
    "castilian": "es",
    "farsi": "fa",
    "fil": "tl",
    "filipino": "tl",
    "flemish": "nl",
    "haitian": "ht",
    "iw": "he",
    "javanese": "jw",
    "jv": "jw",
    "letzeburgesch": "lb",
    "mandarin": "zh",
    "moldavian": "ro",
    "moldovan": "ro",
    "nb": "no",
    "norwegian bokmål": "no",
    "norwegian nynorsk": "nn",
    "panjabi": "pa",
    "pushto": "ps",
    "sinhalese": "si",
    "valencian": "ca",
}

_BY_NAME = {name: code for code, name in LANGUAGES.items()} | _ALIASES

WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my"})
"""Languages whose words are not set apart by blanks."""


def resolve(name: str | None) -> str | None:
    """The code that ``name`` stands for: a code (``de``, ``de-AT``), an English name, or None for detection.

    ``auto``, an empty name and None all mean detection. Raises :class:`~harken.errors.UnknownLanguage`.
    """
    wanted = (name or "").strip().lower()
    if wanted in {"", "auto"}:
        return None
    if wanted in LANGUAGES:
        return wanted
    if wanted in _BY_NAME:
        return _BY_NAME[wanted]
    base = wanted.replace("_", "-").split("-")[0]
    if base != wanted and (base in LANGUAGES or base in _BY_NAME):
        return base if base in LANGUAGES else _BY_NAME[base]
    raise UnknownLanguage(
        f"nobody here knows the language {name!r}; give an ISO 639-1 code such as en, an English name, or auto",
        param="language",
    )
