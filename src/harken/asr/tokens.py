# SPDX-License-Identifier: Apache-2.0
"""Whisper's tokens: special ids, timestamps, words. Read from the model's own files; knows no engine."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from harken.asr.languages import WITHOUT_SPACES
from harken.errors import ModelUnavailable
from harken.model import Task

SECONDS_PER_TIMESTAMP = 0.02

PREFIXED = "\"'“¿([{-«「『（"  # noqa: RUF001 - full-width signs are meant
"""Signs that belong to the word after them."""

APPENDED = "\"'.。,，!！?？:：;；”)]}、…»」』）%"  # noqa: RUF001
"""Signs that belong to the word before them."""


class WhisperTokens:
    """The vocabulary of one model. English-only models have no language and task tokens."""

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelUnavailable(f"{folder.name} has no tokenizer.json; fetch the model again")
        self._tokenizer = _tokenizer(path)
        self.end = self._need("<|endoftext|>")
        self.start = self._need("<|startoftranscript|>")
        self.previous = self._need("<|startofprev|>")
        self.no_timestamps = self._need("<|notimestamps|>")
        self.first_timestamp = self.no_timestamps + 1

    def _need(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ModelUnavailable(f"tokenizer.json lacks {token}: this is not a Whisper model")
        return int(found)

    def knows(self, language: str) -> bool:
        """Whether the model has a token for the language."""
        return self._tokenizer.token_to_id(f"<|{language}|>") is not None

    def start_sequence(self, language: str | None, task: Task) -> list[int]:
        """What decoding starts from; ``language`` None for an English-only model."""
        if language is None:
            return [self.start]
        return [self.start, self._need(f"<|{language}|>"), self._need(f"<|{task}|>")]

    def encode(self, text: str) -> list[int]:
        """Tokens of plain text; nothing in it is read as a special token."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [token for token in ids if token < self.end]

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of the tokens, special ones left out."""
        return str(self._tokenizer.decode([token for token in tokens if token < self.end]))

    def seconds(self, token: int) -> float | None:
        """The time that a timestamp token says, from the start of the input; None for other tokens."""
        return (token - self.first_timestamp) * SECONDS_PER_TIMESTAMP if token >= self.first_timestamp else None

    def words(self, tokens: Sequence[int], language: str) -> list[tuple[str, list[int]]]:
        """Text tokens grouped into words, punctuation kept with its word.

        Languages without blanks give a word for each character or whatever its tokens decode to whole.
        """
        pieces = self._characters(tokens)
        if language in WITHOUT_SPACES:
            return _with_punctuation(pieces)
        words: list[tuple[str, list[int]]] = []
        for text, ids in pieces:
            if words and not text.startswith(" ") and not _is_sign(text):
                words[-1] = (words[-1][0] + text, words[-1][1] + ids)
            else:
                words.append((text, ids))
        return _with_punctuation(words)

    def _characters(self, tokens: Sequence[int]) -> list[tuple[str, list[int]]]:
        """Shortest runs of tokens that decode to whole characters: one character may span several tokens."""
        pieces: list[tuple[str, list[int]]] = []
        pending: list[int] = []
        for token in tokens:
            pending.append(token)
            text = self.decode(pending)
            if "\ufffd" not in text:
                pieces.append((text, pending))
                pending = []
        if pending:
            pieces.append((self.decode(pending), pending))
        return pieces


def _tokenizer(path: Path) -> Tokenizer:
    """The model's tokenizer, with the first of all its merges where the file has lost it.

    Whisper's files as they are published begin with the second line of the list of merges, so that every word that
    begins with a t is cut after its blank: text that the decoder was never shown, in each prompt.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    model = data["model"]
    merges = model.get("merges", [])
    lost = ("\u0120", "t")
    if "".join(lost) in model["vocab"] and merges and " ".join(lost) not in merges and list(lost) not in merges:
        merges.insert(0, " ".join(lost) if isinstance(merges[0], str) else list(lost))
        return Tokenizer.from_str(json.dumps(data))
    return Tokenizer.from_file(str(path))


def _is_sign(text: str) -> bool:
    return all(unicodedata.category(char)[0] in "PS" for char in text.strip())


def _with_punctuation(words: list[tuple[str, list[int]]]) -> list[tuple[str, list[int]]]:
    """Signs joined to the word they belong to."""
    merged: list[tuple[str, list[int]]] = []
    opening: tuple[str, list[int]] | None = None
    for text, ids in words:
        sign = text.strip()
        if merged and opening is None and sign and all(char in APPENDED for char in sign) and not text.startswith(" "):
            merged[-1] = (merged[-1][0] + text, merged[-1][1] + ids)
        elif sign and all(char in PREFIXED for char in sign) and (text.startswith(" ") or not merged):
            opening = (opening[0] + text, opening[1] + ids) if opening else (text, ids)
        elif opening is not None:
            merged.append((opening[0] + text, opening[1] + ids))
            opening = None
        else:
            merged.append((text, ids))
    if opening is not None:
        merged.append(opening)
    return merged
