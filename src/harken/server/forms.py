# SPDX-License-Identifier: Apache-2.0
"""Reading the text fields of a form or a query: texts, flags, numbers, lists, each refused by name when it is not one.

Knows the ways in which clients write arrays and objects into forms (``x``, ``x[]``, ``x[key]``, JSON), and no dialect.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable
from urllib.parse import unquote, unquote_to_bytes

from harken.errors import InvalidOption

_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


class Fields:
    """Fields by name, as they were sent. An empty value is the same as none."""

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        self._sent: dict[str, str] = {}
        for name, value in items:
            plain = name.removesuffix("[]")
            self._values.setdefault(plain, []).append(value)
            self._sent.setdefault(plain, name)
        self._read: set[str] = set()

    def bad(self, name: str, why: str) -> InvalidOption:
        """The error of a field."""
        return InvalidOption(f"{name} {why}", param=self._sent.get(name, name))

    def unread(self) -> tuple[str, ...]:
        """Names of fields that nobody asked for, as they were sent."""
        return tuple(sent for name, sent in self._sent.items() if name not in self._read)

    def text(self, name: str, *, blank: bool = True) -> str | None:
        """The one value of a field, stripped unless ``blank`` is false. Raises InvalidOption when it was sent twice."""
        self._read.add(name)
        values = self._values.get(name, [])
        if len(values) > 1:
            raise self.bad(name, "was sent more than once")
        if not values or not values[0].strip():
            return None
        return values[0].strip() if blank else values[0]

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        raise self.bad(name, "must be true or false")

    def whole(self, name: str, least: int, most: int | None = None) -> int | None:
        """A whole number."""
        value = self.text(name)
        if value is None:
            return None
        if not _WHOLE.fullmatch(value):
            raise self.bad(name, "must be a whole number" + _range(least, most))
        number = int(value)
        if number < least or (most is not None and number > most):
            raise self.bad(name, "must be a whole number" + _range(least, most))
        return number

    def number(self, name: str, least: float, most: float | None = None) -> float | None:
        """A finite number."""
        value = self.text(name)
        if value is None:
            return None
        number = float(value) if _NUMBER.fullmatch(value) else math.nan
        if not math.isfinite(number) or number < least or (most is not None and number > most):
            raise self.bad(name, "must be a number" + _range(least, most))
        return number

    def many(self, name: str, *, split: bool = False) -> tuple[str, ...]:
        """Every value of a field that may be sent more than once; a single value may be a JSON array.

        ``split`` also takes commas as separators.
        """
        self._read.add(name)
        found: list[str] = []
        for value in self._values.get(name, []):
            if value.lstrip().startswith("["):
                found += self._array(name, value)
            elif split:
                found += value.split(",")
            else:
                found.append(value)
        return tuple(item.strip() for item in found if item.strip())

    def mapping(self, name: str) -> str | dict[str, str] | None:
        """An object, sent as JSON or as ``name[key]`` fields; or a plain text."""
        keys = {
            field: field[len(name) + 1 : -1]
            for field in self._values
            if field.startswith(f"{name}[") and field.endswith("]")
        }
        self._read.update(keys)
        value = self.text(name)
        if keys:
            if value is not None:
                raise self.bad(name, "was sent more than once")
            return {key: self.text(field) or "" for field, key in keys.items()}
        if value is None or not value.startswith("{"):
            return value
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            raise self.bad(name, "is not valid JSON") from None
        return {str(key): str(item) for key, item in parsed.items()}

    @staticmethod
    def data_url(value: str) -> bytes:
        """What a data URL (RFC 2397) holds. Raises ValueError, which says what is wrong with it."""
        head, comma, data = value.partition(",")
        if not comma or not head[:5].lower() == "data:":
            raise ValueError("is none")
        if not head.lower().endswith(";base64"):
            return unquote_to_bytes(data)
        try:
            return base64.b64decode("".join(unquote(data).split()), validate=True)
        except ValueError:
            raise ValueError("is not valid base64") from None

    def _array(self, name: str, value: str) -> list[str]:
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            raise self.bad(name, "is not a valid JSON array") from None
        if not all(isinstance(item, str) for item in parsed):
            raise self.bad(name, "must be a JSON array of strings")
        return parsed  # type: ignore[no-any-return]


def ignored(names: Iterable[str]) -> list[str]:
    """What is told of fields that nobody knows."""
    return [f"the field {name!r} is not known here and was ignored" for name in dict.fromkeys(names)]


def _range(least: float, most: float | None) -> str:
    return f" from {least:g} up" if most is None else f" from {least:g} to {most:g}"
