# SPDX-License-Identifier: Apache-2.0
"""JSON bodies of every kind but the right one, on every route that takes one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),  # halves of surrogate pairs too
    st.sampled_from([10**400, -(2**63) - 1, 1e308, -0.0, 5e-324, "", " ", "\0", "\ud800", "NaN", "en", "extractive"]),
    st.sampled_from(["user", "system", "bullet_points", "http://private/", "http://[::1", "http://a/" + "b" * 9000]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)
KINDS = (
    b"application/json",
    b"application/json; charset=utf-16",
    b"text/plain",
    b"",
    b"application/x-www-form-urlencoded",
)
DEEP = 3000


def objects(names: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Objects with the names that a route knows, at any depth, and values of any type."""
    keys = st.sampled_from(names)
    inner = st.recursive(
        SCALARS,
        lambda value: st.one_of(st.lists(value, max_size=3), st.dictionaries(keys, value, max_size=5)),
        max_leaves=12,
    )
    return st.dictionaries(keys, inner, max_size=6)


def shaped(schema: Any) -> st.SearchStrategy[Any]:
    """What a schema describes, more or less: here and there a value is another."""
    match schema:
        case {"anyOf": list(kinds)}:
            return st.one_of([shaped(kind) for kind in kinds])
        case {"enum": list(values)}:
            return mostly(st.sampled_from(values))
        case {"const": value}:
            return mostly(st.just(value))
        case {"type": "object", "properties": dict(fields)}:
            needed = {name: shaped(fields[name]) for name in schema.get("required", ())}
            more = {name: shaped(kind) for name, kind in fields.items() if name not in needed}
            return mostly(st.fixed_dictionaries(needed, optional=more))
        case {"type": "array"}:
            return mostly(st.lists(shaped(schema.get("items", {})), min_size=schema.get("minItems", 0), max_size=3))
        case {"type": "string"}:
            return mostly(st.sampled_from(["hello", "How are you?", "en", "http://example.org/a.mp3", "1"]))
        case {"type": "integer" | "number"}:
            return mostly(st.sampled_from([schema.get("minimum", 1), schema.get("maximum", 2), 1, 2, 0.5]))
        case {"type": "boolean"}:
            return mostly(st.booleans())
        case {"type": "null"}:
            return st.none()
    return VALUES


def mostly(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 15).flatmap(lambda drawn: VALUES if drawn == 15 else right)


def written(value: Any) -> bytes:
    """As JSON, surrogates escaped; NaN and infinity as Python and JavaScript libraries write them."""
    return json.dumps(value).encode()


def deep(names: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """Bodies that are nested deeply, in themselves or in a field."""
    openings = st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"text":[', b"]}]")])

    def nest(opening: tuple[bytes, bytes], name: str | None, depth: int, *, closed: bool) -> bytes:
        body = opening[0] * depth + b"1" + opening[1] * (depth if closed else 0)
        return body if name is None else b'{"' + name.encode() + b'":' + body + b"}"

    return st.builds(
        nest,
        openings,
        st.one_of(st.none(), st.sampled_from(names)),
        st.sampled_from([2, 200, DEEP]),
        closed=st.booleans(),
    )


def bodies(route: Route) -> st.SearchStrategy[bytes]:
    """Any body, most of them somewhat like those that the route takes."""
    right = shaped(route.schema).map(written)
    known = objects(route.names)
    whole = st.one_of(right, right, known.map(written), VALUES.map(written))
    cut = st.builds(lambda body, at: body[: at % (len(body) + 1)], whole, st.integers(0, 10**6))
    bent = st.builds(
        lambda body, at, byte: body[: at % len(body)] + bytes([byte]) + body[at % len(body) + 1 :],
        whole,
        st.integers(0, 10**6),
        st.integers(0, 255),
    )
    twice = st.builds(lambda one, other: one[:-1] + b"," + other[1:], right, known.map(written))
    encoded = st.builds(
        lambda value, how: json.dumps(value, ensure_ascii=False).encode(how, "surrogatepass"),
        shaped(route.schema),
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    )
    return st.one_of(right, right, right, whole, cut, bent, twice, encoded, deep(route.names), st.binary(max_size=50))


def hold(url: str, route: Route, target: str, examples: int, *headers: tuple[bytes, bytes]) -> set[int]:
    """Send a route such bodies; the statuses that came."""
    assert route.names, route
    statuses = set[int]()

    @budget(examples)
    @given(bodies(route), st.sampled_from(KINDS))
    def check(body: bytes, kind: bytes) -> None:
        framing = [(b"Content-Type", kind), (b"Content-Length", str(len(body)).encode())]
        told = talk(url, request(route.method, target.encode(), [*framing, *headers], body))
        sane(told, route.path)
        statuses.add(told.status if told else 0)

    check()
    return statuses


def taking_json(url: str) -> list[Route]:
    return [route for route in routes(url) if "application/json" in route.takes]


def test_json(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(requests_per_minute=10**9)
    taking = taking_json(server.url)
    assert len(taking) > 8, "the document tells which routes take JSON"
    real = ids(server)
    with unharmed(server.url, caplog):
        statuses = set[int]().union(*(hold(server.url, route, route.target(real), 45) for route in taking))
    server.clean()
    assert {400, 202} <= statuses, "some are refused and some get through, or little was tested"


def test_json_with_a_real_database(
    tmp_path: Path, database: Path | str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator's routes too; not those of chat, which wait for an answer, and nobody works here."""
    if isinstance(database, str):
        monkeypatch.setenv("HARKEN_DATABASE_URL", database)
    with served(tmp_path) as server, server.administrator() as admin:
        account = admin.post(f"{API}/accounts", json={"name": "fuzzed"}).json()["id"]
        asked = {"account": account, "name": "fuzzed", "scopes": ["admin", "transcribe", "jobs:read", "text"]}
        made = admin.post(f"{API}/tokens", json=asked).json()
        other = admin.post(f"{API}/tokens", json=asked).json()["token"]["id"]
        key = (b"Authorization", b"Bearer " + made["key"].encode())
        real = {"account_id": account, "token_id": other, "name": "base", "job_id": server.job(made["key"])}
        taking = [route for route in taking_json(server.url) if not route.path.rstrip("/").endswith("/chat")]
        assert sum(route.path.startswith(API) for route in taking) > 4, "the document tells of the administrator's"
        with unharmed(server.url, caplog):
            statuses = set[int]().union(*(hold(server.url, route, route.target(real), 30, key) for route in taking))
        assert {400, 200, 202} <= statuses, "some are refused and some get through, or little was tested"
