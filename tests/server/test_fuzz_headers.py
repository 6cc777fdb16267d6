# SPDX-License-Identifier: Apache-2.0
"""Headers, paths and queries that nobody sends on purpose, on every route that the server documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzzing import UNRELATED, budget
from tests.server.admin import API, served
from tests.server.wild import ids, request, routes, sane, talk, unharmed

if TYPE_CHECKING:
    from tests.server.conftest import Serve
    from tests.server.wild import Route

pytestmark = pytest.mark.filterwarnings(UNRELATED)

NAMES = (
    b"Idempotency-Key", b"X-Request-ID", b"Authorization", b"X-API-Key", b"Last-Event-ID", b"Range", b"Content-Type",
    b"Accept", b"Origin", b"Host", b"Cookie", b"Content-Encoding", b"If-None-Match", b"Expect", b"Forwarded",
    b"Access-Control-Request-Method", b"X-Forwarded-For", b"Content-Length", b"Transfer-Encoding", b"Cache-Control",
)  # fmt: skip
VALUES = (
    b"", b" ", b"0", b"-1", b"18446744073709551616", b"1e400", b"NaN", b"bytes=0-", b"bytes=5-1,,-", b"Bearer",
    b"Bearer ",
    b"Bearer \xff\xfe", b"Basic Og==", b"Token k", b"bearer  a  b", b"*/*;q=x", b"null", b"http://[::1", b"localhost:x",
    b"127.0.0.1:99999", b"[::1", b"a, b", b"chunked", b"gzip, chunked", b"100-continue",
    b"application/json; charset=utf-7",
    b"multipart/form-data", b"multipart/form-data; boundary=", b'multipart/form-data; boundary="', b"text/\xe9", b"%00",
    b"\xed\xa0\x80", b"a" * 300, b"a" * 70_000, b"=?utf-8?q?=00?=", b"\x01", b"a\tb", b"k\xc3\xa9y",
)  # fmt: skip
PRINTABLE = st.binary(max_size=40).map(lambda raw: bytes(byte for byte in raw if byte > 31 and byte != 127))
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(st.sampled_from(VALUES), PRINTABLE)), max_size=5)
ODD = st.one_of(
    st.sampled_from(
        ["", ".", "..", "%", "%00", "%ff%fe", "%ed%a0%80", "%2e%2e%2f", "a%2Fb", "nothing", "0", "-1", "NaN"]
    ),
    st.sampled_from(
        ["9" * 5000, "[]", "{}", "null", "true", "1e9", "%0d%0aX:%20y", "' OR 1=1 --", "limit", "\u2028"]
    ).map(quote),
    st.text(max_size=20).map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe="")),
    st.binary(max_size=12).map(lambda raw: quote_from_bytes(raw, safe="")),
)
PARAMETERS = ("job_id", "stage_id", "name", "model_id", "delivery_id", "account_id", "token_id")


@pytest.mark.parametrize("keys", [(), ("sk-right",)], ids=["open", "keyed"])
def test_headers(serve: Serve, caplog: pytest.LogCaptureFixture, keys: tuple[str, ...]) -> None:
    server = serve(requests_per_minute=10**9, api_keys=keys)
    known = routes(server.url)
    assert len(known) > 30, "the document tells of the routes"
    real = {} if keys else ids(server)

    @budget(250)
    @given(st.sampled_from(known), HEADERS, st.booleans())
    def check(route: Route, headers: list[tuple[bytes, bytes]], empty: bool) -> None:
        framed = {name.lower() for name, _ in headers} & {b"content-length", b"transfer-encoding"}
        if not framed and not empty:
            headers = [*headers, (b"Content-Length", b"2")]
        sent = request(route.method, route.target(real).encode(), headers, b"" if framed or empty else b"{}")
        sane(talk(server.url, sent, complete=not framed), route.path)

    with unharmed(server.url, caplog):
        check()
    server.clean()


def test_paths_and_queries(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(requests_per_minute=10**9)
    known = [route for route in routes(server.url) if route.query or "{" in route.path]
    real = ids(server)

    @budget(250)
    @given(
        st.sampled_from(known),
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("job_id", "stage_id", "name", "model_id", "delivery_id"), ODD)
        ),
        st.lists(st.tuples(st.integers(0, 5), ODD), max_size=4),
    )
    def check(route: Route, odd: dict[str, str], asked: list[tuple[int, str]]) -> None:
        names = (*route.query, "x")
        query = "&".join(f"{names[at % len(names)]}={value}" for at, value in asked)
        target = f"{route.target({**real, **odd})}?{query}".encode()
        sane(talk(server.url, request(route.method, target, [(b"Content-Length", b"0")])), route.path)

    with unharmed(server.url, caplog):
        check()


def test_paths_and_queries_of_a_real_database(
    tmp_path: Path, database: Path | str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every route that takes no recording; there is no job, so that nothing is waited for."""
    if isinstance(database, str):
        monkeypatch.setenv("HARKEN_DATABASE_URL", database)
    with served(tmp_path) as server, server.administrator() as admin:
        account = admin.post(f"{API}/accounts", json={"name": "fuzzed"}).json()["id"]
        asked = {"account": account, "name": "fuzzed", "scopes": ["admin", "transcribe", "jobs:read", "text"]}
        key = (b"Authorization", b"Bearer " + admin.post(f"{API}/tokens", json=asked).json()["key"].encode())
        known = [route for route in routes(server.url) if not route.takes and (route.query or "{" in route.path)]
        assert any(route.path.startswith(API) for route in known)

        @budget(250)
        @given(
            st.sampled_from(known), st.lists(ODD, min_size=1, max_size=3), st.lists(st.tuples(st.integers(0, 5), ODD))
        )
        def check(route: Route, odd: list[str], asked: list[tuple[int, str]]) -> None:
            named = dict(zip(PARAMETERS, odd * len(PARAMETERS), strict=False))
            names = (*route.query, "x")
            query = "&".join(f"{names[at % len(names)]}={value}" for at, value in asked)
            sent = request(route.method, f"{route.target(named)}?{query}".encode(), [key, (b"Content-Length", b"0")])
            sane(talk(server.url, sent), route.path)

        with unharmed(server.url, caplog):
            check()
