# SPDX-License-Identifier: Apache-2.0
"""Forms that no client writes, on every route that takes one, framed as HTTP allows and as it does not."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzzing import UNRELATED, budget
from tests.server.conftest import PATIENCE, wav
from tests.server.wild import ids, request, routes, sane, talk, unharmed

if TYPE_CHECKING:
    from tests.server.conftest import Running, Serve
    from tests.server.wild import Route

pytestmark = pytest.mark.filterwarnings(UNRELATED)

FORM = "multipart/form-data"
SOUND = wav(0.1)
BOUNDARIES = st.sampled_from(
    [b"x", b"----a-boundary", b"a'()+_,-./:=?", b"b b", b"-" * 70, b"x" * 3000, b"\xff\xfe", b"--"]
)
FILENAMES = st.sampled_from(
    [
        b"", b'; filename="a.wav"', b"; filename=a.wav", b'; filename=""', b'; filename="../../etc/passwd"',
        b'; filename="C:\\x\\y.wav"', b'; filename="a\\"b.wav"', b'; filename="a\x00b.wav"',
        b'; filename="' + b"n" * 5000 + b'"',
        b"; filename*=UTF-8''%e2%82%ac.wav", b"; filename*=utf-7'en'%FF", b"; filename*=''", b"; filename*=%",
        b"; filename*",
        b'; filename*0="a"; filename*1="b.wav"', b"; filename*0*=UTF-8''%e2; filename*1=x", b'; filename="\xff\xfe"',
        b'; filename="\xe2\x80\xae.wav"', b'; filename="a', b"; filename=\r\n\tb", b'; filename="a"; filename="b"',
        b";;; =",
        b'; filename="x"; filename*=UTF-8\'\'y', b"; filename=" + b"%00" * 9, b'; filename="/"', b'; filename=".."',
    ]
)  # fmt: skip
EXTRAS = st.sampled_from(
    [
        b"", b"", b"", b"Content-Type: audio/wav", b"Content-Type: text/plain; charset=utf-16",
        b"Content-Type: text/plain; charset=?",
        b"Content-Type: multipart/mixed; boundary=x", b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: 8BIT",
        b"Content-Transfer-Encoding: quoted-printable", b"X: " + b"h" * 9000, b"X: " + b"h" * 90_000, b"no colon",
        b": empty",
        b"Content-Disposition: form-data", b"Content-Disposition: attachment; name=file", b"Content-Length: 3",
        b" folded",
        b"\xff\xfe: \xff", b"X: \x00", b"Content-Disposition:",
        b"\r\n".join(b"H%d: v" % number for number in range(400)),
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.just(SOUND),
    st.just(SOUND),
    st.sampled_from(
        [
            b"", b" ", b"0", b"-1", b"1e999", b"nan", b"true", b"[]", b"{}", b"[1, {}]", b'["a"', b"[" * 3000,
            b"{" * 3000,
            b"9" * 5000, b"en", b"base", b"json", b"\xff\xfe", b"\x00", b"a" * 70_000,
            b"data:audio/wav;base64,AAAA", b"data:,",
            b"\r\n--x\r\n", b"--x--", b"\r\n--x--\r\n--x", b"\xed\xa0\x80", b'{"type": "server_vad", "x": [[]]}',
            b"word,segment",
        ]
    ),
    st.binary(max_size=60),
)  # fmt: skip
TYPES = st.sampled_from(
    [
        b"multipart/form-data; boundary=%b", b'multipart/form-data; boundary="%b"',
        b"Multipart/Form-Data; charset=utf-8; BOUNDARY=%b",
        b"multipart/form-data; boundary=%b; boundary=y", b"multipart/form-data; boundary*=UTF-8''%b",
        b"multipart/mixed; boundary=%b",
        b"multipart/form-data; boundary=", b"multipart/form-data", b"application/x-www-form-urlencoded", b"",
        b"audio/wav", b"\xff%b",
    ]
)  # fmt: skip
RIGHT = b"multipart/form-data; boundary=%b"
FORMAL = st.one_of(st.just(RIGHT), TYPES)


@dataclass(frozen=True)
class Part:
    """A part of a form, as it is written."""

    name: bytes
    filename: bytes
    extra: bytes
    value: bytes

    def written(self, boundary: bytes) -> bytes:
        head = b"--" + boundary + b"\r\nContent-Disposition: form-data; " + self.name + self.filename + b"\r\n"
        return head + (self.extra + b"\r\n" if self.extra else b"") + b"\r\n" + self.value + b"\r\n"


def parts(names: tuple[str, ...]) -> st.SearchStrategy[list[Part]]:
    """Parts with the names that a route knows, and with others, in any order and number."""
    known = st.sampled_from(names).map(lambda name: b'name="' + name.encode() + b'"')
    odd = st.sampled_from(
        [
            b"",
            b"name=",
            b"name=file",
            b'name="file"; name="model"',
            b"name*=UTF-8''file",
            b'name="a\x00"',
            b'name="' + b"n" * 999,
        ]
    )
    strange = st.binary(max_size=9).map(lambda name: b'name="' + name + b'"')
    part = st.builds(Part, st.one_of(known, known, known, odd, strange), FILENAMES, EXTRAS, VALUES)
    plain = st.builds(Part, known, st.just(b""), st.just(b""), VALUES)
    sound = st.just(Part(b'name="file"', b'; filename="a.wav"', b"", SOUND))
    some = st.one_of(plain, plain, sound, part)
    return st.one_of(
        sound.map(lambda part: [part]),
        st.lists(some, max_size=6),
        st.builds(lambda one, many: [one] * many, part, st.sampled_from([199, 201, 500])),
    )


def mended(form: bytes, boundary: bytes, end: bytes) -> bytes:
    return form + (b"--" + boundary + b"--\r\n" if end == b"right" else end)


def bent(form: bytes, places: list[tuple[int, int, bytes]]) -> bytes:
    """With some bytes written over by others."""
    body = bytearray(form)
    for at, length, other in places:
        if body:
            start = at % len(body)
            body[start : start + length] = other
    return bytes(body)


ENDS = st.sampled_from(
    [b"right", b"right", b"right", b"", b"--x", b"--x-", b"--x--", b"--x--\r\nafterwards", b"\r\n--y--\r\n"]
)
BENDS: st.SearchStrategy[list[tuple[int, int, bytes]]] = st.one_of(
    st.just([]), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 9), st.binary(max_size=9)), max_size=4)
)
FRAMES = st.sampled_from(
    ["exact", "exact", "chunks", "bytes", "less", "more", "unended", "none", "both", "two", "bad", "worse"]
)


def framed(body: bytes, how: str) -> tuple[list[tuple[bytes, bytes]], bytes, bool]:
    """The headers that say how long a body is, what is sent of it, and whether that makes a whole request."""
    length = len(body)
    name, chunked = b"Content-Length", (b"Transfer-Encoding", b"chunked")
    match how:
        case "chunks":
            return [chunked], _chunks(body, 700) + b"0\r\n\r\n", True
        case "bytes":
            return [chunked], _chunks(body[:90], 1) + _chunks(body[90:], 9000) + b"0\r\nTrailer: x\r\n\r\n", True
        case "less":
            return [(name, str(length // 2).encode())], body, True
        case "more":
            return [(name, str(length + 9).encode())], body, False
        case "unended":
            return [chunked], _chunks(body, 700), False
        case "none":
            return [], body, True
        case "both":
            return [chunked, (name, str(length).encode())], body, False
        case "two":
            return [(name, str(length).encode()), (name, b"3")], body, False
        case "bad":
            return [(name, b"1e3")], body, False
        case "worse":
            return [chunked], b"zz;\r\n" + body, False
    return [(name, str(length).encode())], body, True


def _chunks(body: bytes, size: int) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def test_forms(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(requests_per_minute=10**9)
    taking = [route for route in routes(server.url) if FORM in route.takes]
    assert len(taking) > 8, "the document tells which routes take forms"
    real = ids(server)
    statuses = set[int]()

    def run(route: Route) -> None:
        @budget(80)
        @given(
            parts(route.names), BOUNDARIES, ENDS, BENDS, FORMAL, FRAMES, st.sampled_from([True, False, False, False])
        )
        def check(
            some: list[Part],
            boundary: bytes,
            end: bytes,
            places: list[tuple[int, int, bytes]],
            kind: bytes,
            frame: str,
            tame: bool,
        ) -> None:
            if tame:
                boundary, end, places, kind, frame = b"tame", b"right", [], RIGHT, "chunks"
            form = mended(b"".join(part.written(boundary) for part in some), boundary, end)
            framing, body, complete = framed(bent(form, places), frame)
            headers = [(b"Content-Type", kind.replace(b"%b", boundary)), *framing]
            told = talk(
                server.url, request(route.method, route.target(real).encode(), headers, body), complete=complete
            )
            sane(told, route.path)
            statuses.add(told.status if told else 0)

        check()

    with unharmed(server.url, caplog):
        for route in taking:
            run(route)
    server.clean()
    assert {200, 202, 400, 415} <= statuses, "some are refused and some get through, or little was tested"
    assert server.backend.submissions


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/api/audio/format/x", "/nowhere"])
def test_a_body_that_turns_out_to_be_no_http(server: Running, caplog: pytest.LogCaptureFixture, path: str) -> None:
    headers = [(b"Content-Type", b"multipart/form-data; boundary=x"), (b"Transfer-Encoding", b"chunked")]
    with unharmed(server.url, caplog):
        told = talk(server.url, request("POST", path.encode(), headers, b"4\r\n--x\r\r\nzz\r\n"), complete=False)
    assert told is not None
    assert told.status in {400, 404}


def test_a_body_that_breaks_off_behind_an_answer(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    server.backend.hold()
    sent = httpx.post(f"{server.url}/v1/transcription-jobs", files={"file": ("a.wav", SOUND)}, timeout=PATIENCE)
    target = f"/v1/transcription-jobs/{sent.json()['id']}/events".encode()
    with unharmed(server.url, caplog):
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
            connection.sendall(request("GET", target, [(b"Transfer-Encoding", b"chunked")], b"1\r\na\r\n"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.sendall(b"zz\r\n")
            while connection.recv(65536):
                pass
        server.backend.go()


@pytest.mark.parametrize("filename", [b"", b'; filename="a"'])
def test_a_small_form_that_is_cut_short_is_refused(server: Running, filename: bytes) -> None:
    job = ids(server)["job_id"]
    form = Part(b'name="instruction"', filename, b"", b"Summarise it").written(b"x")
    headers = [(b"Content-Type", b"multipart/form-data; boundary=x"), (b"Content-Length", str(len(form)).encode())]
    told = talk(server.url, request("POST", f"/api/audio/format/{job}".encode(), headers, form))
    assert told is not None
    assert told.status == 400
    assert b"cut short" in told.body
