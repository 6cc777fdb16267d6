# SPDX-License-Identifier: Apache-2.0
"""``multipart/form-data`` block by block: text fields into a form, the recording, if there is one, into a store.

Blocking; knows neither where blocks come from nor who reads the form.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from harken.errors import InvalidOption, InvalidRequest, NotMedia, UploadTooLarge
from harken.ports import Arrival
from harken.service import Upload

MAX_FIELDS = 200
MAX_FIELD_BYTES = 64 * 1024
MAX_NAME_BYTES = 200

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(slots=True)
class Form:
    """What a form holds beside the recording: its text fields, in order."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Names of file parts that nobody asked for."""


Check = Callable[[Form], object]
"""Called before the recording is read, with the fields that came before it; may raise to refuse the upload early."""


class FieldsParser:
    """Takes blocks of a multipart body: text fields into a form. Files are left out."""

    def __init__(self, boundary: bytes, long: Mapping[str, int] = MappingProxyType({})) -> None:
        """``long`` has the bytes that all fields of a name may have together, where that is more than others may have.

        Raises InvalidRequest where the boundary is none.
        """
        self._long = dict(long)
        self._form = Form()
        self._parts = 0
        self._ended = False
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field = ""
        self._value = bytearray()
        self._sink: Callable[[memoryview], None] = self._discard
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_name_comes,
                    "on_header_value": self._header_value_comes,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data_comes,
                    "on_part_end": self._part_ends,
                    "on_end": self._form_ends,
                },
            )
        except FormParserError as error:
            raise InvalidRequest(f"the form cannot be read: {error}") from error

    def feed(self, block: bytes) -> None:
        """Take the next bytes.

        Raises InvalidRequest, UploadTooLarge, what ``check`` raises, or what the store of the recording does.
        """
        if self._ended:
            return  # RFC 2046: what follows the last boundary is to be ignored
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise InvalidRequest(f"the form is malformed: {error}") from error

    def form(self) -> Form:
        """The form, after the last bytes. Raises InvalidRequest when it is not whole."""
        if not self._ended:
            raise InvalidRequest("the form ends before its last boundary; it is cut short or malformed")
        return self._form

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise InvalidRequest(f"the form has more than {MAX_FIELDS} parts")
        self._headers.clear()
        self._value.clear()

    def _header_name_comes(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_comes(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _headers_end(self) -> None:
        disposition, parameters = parse_options_header(self._headers.get(b"content-disposition"))
        raw = parameters.get(b"name")
        if disposition != b"form-data" or raw is None:
            raise InvalidRequest("a part of the form has no name")
        if len(raw) > MAX_NAME_BYTES:
            raise InvalidRequest(f"a part of the form has a name of more than {MAX_NAME_BYTES} bytes")
        encoding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"8bit", b"7bit"):
            raise InvalidRequest("the form uses a Content-Transfer-Encoding; send the bytes as they are")
        self._field = raw.decode("utf-8", "replace")
        self._sink = self._sink_of(parameters.get(b"filename"))

    def _sink_of(self, filename: bytes | None) -> Callable[[memoryview], None]:
        """Who takes the bytes of the part that begins."""
        if filename is None:
            return self._gather
        self._form.ignored.append(self._field)
        return self._discard

    def _data_comes(self, data: bytes, start: int, end: int) -> None:
        self._sink(memoryview(data)[start:end])

    def _part_ends(self) -> None:
        if self._sink == self._gather:
            try:
                value = self._value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InvalidOption(f"{self._field} is not UTF-8", param=self._field) from error
            if "\0" in value:
                raise InvalidOption(f"{self._field} holds a NUL character", param=self._field)
            self._form.fields.append((self._field, value))

    def _form_ends(self) -> None:
        self._ended = True

    def _gather(self, data: memoryview) -> None:
        name = self._field.removesuffix("[]")
        if name in self._long:
            self._long[name] -= len(data)
            if self._long[name] < 0:
                raise InvalidOption(f"{self._field} is longer than a request may send", param=self._field)
        elif len(self._value) + len(data) > MAX_FIELD_BYTES:
            raise InvalidOption(f"{self._field} is longer than {MAX_FIELD_BYTES} bytes", param=self._field)
        self._value += data

    def _discard(self, data: memoryview) -> None:
        """The bytes of a file that nobody asked for; they count towards the size of the body alone."""


class FormParser(FieldsParser):
    """Takes blocks of a multipart body: fields into a form, the recording into a store."""

    def __init__(
        self,
        boundary: bytes,
        arrival: Arrival,
        name: str,
        check: Check,
        max_bytes: int,
        long: Mapping[str, int],
    ) -> None:
        """Read a form whose recording is the part ``name``, which goes into ``arrival``; see the base."""
        super().__init__(boundary, long)
        self._arrival = arrival
        self._wanted = name
        self._check = check
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._size = 0
        self._filename: str | None = None

    def finish(self) -> tuple[Form, Upload]:
        """The form and its recording, after the last bytes.

        Raises InvalidRequest when either is not whole, and what the store does.
        """
        form = self.form()
        if self._filename is None:
            raise InvalidOption(
                f"the form has no part named {self._wanted!r}; send the recording there", param=self._wanted
            )
        source = self._arrival.finish()
        return form, Upload(self._arrival, source, self._filename, self._size, self._hash.hexdigest())

    def _sink_of(self, filename: bytes | None) -> Callable[[memoryview], None]:
        if self._field != self._wanted:
            return super()._sink_of(filename)
        if self._filename is not None:
            raise InvalidOption(f"{self._wanted} was sent more than once", param=self._wanted)
        self._check(self._form)
        self._filename = display_name((filename or b"").decode("utf-8", "replace"))
        return self._write

    def _write(self, data: memoryview) -> None:
        self._size += len(data)
        if self._size > self._max_bytes:
            raise too_large(self._max_bytes)
        self._hash.update(data)
        self._arrival.write(data)


def too_large(limit: int) -> UploadTooLarge:
    """The error of an upload with more bytes than that."""
    return UploadTooLarge(f"the upload is larger than {limit} bytes, the most this server takes")


def display_name(name: str) -> str:
    """A client's file name as something safe to show: no folders, nothing unprintable, 200 characters at most."""
    last = re.split(r"[/\\]", name)[-1]
    return _UNPRINTABLE.sub("", last).strip()[:200]


def boundary_of(content_type: str | None) -> bytes:
    """The boundary that a request's Content-Type names. Raises NotMedia when it is no form."""
    kind, parameters = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise NotMedia("send the recording as multipart/form-data")
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise InvalidRequest("the Content-Type of the form has no boundary")
    return boundary
