# SPDX-License-Identifier: Apache-2.0
"""Who may administer: sessions, CSRF tokens, keys with the scope ``admin``. Every route is walked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from tests.server.admin import API, Served, served

from harken.service.admin import TRIES

SAFE = {"GET", "HEAD"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("admin")) as running:
        yield running


@pytest.fixture
def admin(server: Served) -> Iterator[httpx.Client]:
    with server.administrator() as client:
        yield client


def routes(server: Served) -> list[tuple[str, str]]:
    """Every method and path of the API, with something in the place of its parameters."""
    found = [
        (method, re.sub(r"\{[^}]*\}", "00000000-0000-0000-0000-000000000000", context.path or ""))
        for context in iter_route_contexts(server.app.router.routes)
        if isinstance(context.original_route, APIRoute) and (context.path or "").startswith(API)
        for method in context.methods or ()
    ]
    assert len(found) > 25, found
    return found


def test_nobody_comes_in_without_a_session_or_a_key(server: Served, admin: httpx.Client) -> None:
    everyday = server.key(admin)
    with server.client() as stranger:
        for method, path in routes(server):
            if path == f"{API}/login":
                continue
            for status, headers in (
                (401, {}),
                (401, {"Cookie": "harken_admin=nonsense"}),
                (401, {"Authorization": "Bearer nonsense"}),
                (401, {"Authorization": "Basic YTpi"}),
                (403, {"Authorization": f"Bearer {everyday}"}),
                (403, {"Authorization": "Bearer hush-keyhush-key"}),
            ):
                answer = stranger.request(method, path, headers=headers, content=b"{")
                assert answer.status_code == status, (method, path, headers, answer.text)
                assert answer.headers["cache-control"] == "no-store"
                error = answer.json()["error"]
                assert set(error) == {"message", "type", "code", "param", "request_id"}
                assert error["request_id"] == answer.headers["x-request-id"]


def test_whatever_changes_something_wants_the_token_of_the_session(server: Served, admin: httpx.Client) -> None:
    token = admin.headers.pop("X-CSRF-Token")
    with server.administrator() as other:
        foreign = other.headers["X-CSRF-Token"]
    unsafe = [route for route in routes(server) if route[0] not in SAFE and route[1] != f"{API}/login"]
    assert len(unsafe) > 12
    for method, path in unsafe:
        for headers in (
            {},
            {"X-CSRF-Token": ""},
            {"X-CSRF-Token": foreign},
            {"X-CSRF-Token": token[:-1]},
            {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"},
            {"X-CSRF-Token": token, "Sec-Fetch-Site": "same-site"},
        ):
            answer = admin.request(method, path, headers=headers, json={})
            assert (answer.status_code, answer.json()["error"]["param"]) == (403, "csrf"), (method, path, headers)
    # All of them were refused: the session is there still.
    assert admin.get(f"{API}/session").json()["csrf"] == token


def test_a_login_is_a_cookie_that_scripts_cannot_read(server: Served) -> None:
    with server.client() as client:
        refused = client.post(f"{API}/login", json={"password": "wrong"})
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")
        assert "set-cookie" not in refused.headers
        from_elsewhere = client.post(
            f"{API}/login", json={"password": server.password}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert from_elsewhere.status_code == 403
        answer = client.post(f"{API}/login", json={"password": server.password})
        cookie = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
        assert cookie == {"httponly", "max-age=43200", "path=/admin", "samesite=lax"}
        session = client.get(f"{API}/session").json()
        assert (session["csrf"], session["from"]) == (answer.json()["csrf"], "127.0.0.1")
        for wrong in (b"", b"[]", b"null", b"{", b'{"password": 1}', b'{"password": "x", "more": 1}'):
            assert client.post(f"{API}/login", content=wrong).status_code == 400, wrong
        assert client.post(f"{API}/login", content=b"x" * 70_000).status_code == 413


@pytest.mark.parametrize(("trusted", "secure"), [("127.0.0.1", True), ("10.9.8.7", False)])
def test_behind_tls_the_cookie_is_never_sent_in_the_clear(
    trusted: str, secure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy is believed if it is trusted, and nobody else."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    with served(tmp_path) as server, server.client() as client:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
        answer = client.post(f"{API}/login", json={"password": server.password}, headers=headers)
        assert ("; Secure" in answer.headers["set-cookie"]) is secure
        entry = server.office.admin.audited(1)[0]
        assert (entry.action, entry.detail["address"]) == ("admin.login", "203.0.113.9" if secure else "127.0.0.1")


def test_logging_out_here_and_everywhere(server: Served, admin: httpx.Client) -> None:
    with server.administrator() as other:
        assert other.post(f"{API}/logout").status_code == 204
        assert "harken_admin" not in other.cookies
        assert other.get(f"{API}/session").status_code == 401
    assert admin.get(f"{API}/session").status_code == 200
    with server.administrator() as other:
        token = other.cookies["harken_admin"]
        assert admin.post(f"{API}/logout-everywhere").json()["ended"] >= 2
        for client in (admin, other):
            assert client.get(f"{API}/session", headers={"Cookie": f"harken_admin={token}"}).status_code == 401
    actions = [entry.action for entry in server.office.admin.audited(2)]
    assert actions == ["admin.logout_everywhere", "admin.login"]


def test_a_key_with_the_scope_does_what_a_session_does(server: Served, admin: httpx.Client) -> None:
    key = server.key(admin, scopes=["admin"])
    with server.client(headers={"Authorization": f"Bearer {key}"}) as program:
        made = program.post(f"{API}/accounts", json={"name": "by a key"})
        assert made.status_code == 201
        entry = program.get(f"{API}/audit", params={"limit": 1}).json()["entries"][0]
        known = program.get(f"{API}/tokens/{key.split('_')[1]}").json()
        assert (entry["action"], entry["actor"], entry["subject"]) == ("account.create", known["id"], made.json()["id"])
        assert program.get(f"{API}/session").status_code == 400
        assert program.post(f"{API}/logout").status_code == 204
    assert admin.delete(f"{API}/tokens/{known['id']}").json()["state"] == "revoked"
    with server.client(headers={"Authorization": f"Bearer {key}"}) as program:
        assert program.get(f"{API}/audit").status_code == 401


def test_tries_are_limited_and_told(tmp_path: Path) -> None:
    with served(tmp_path) as server, server.client() as client, server.administrator() as admin:
        for _ in range(TRIES - 1):
            assert client.post(f"{API}/login", json={"password": "guess"}).status_code == 401
        answer = client.post(f"{API}/login", json={"password": server.password})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 1
        # Whoever is in stays in, but cannot use the session to guess either.
        assert admin.get(f"{API}/session").status_code == 200
        changed = admin.post(f"{API}/password", json={"current": "guess", "new": "x" * 12})
        assert changed.status_code == 429
        failed = [entry for entry in server.office.admin.audited(50) if entry.action == "admin.login_failed"]
        assert len(failed) == TRIES - 1
        assert "guess" not in str(failed)


def test_another_password_ends_every_session(tmp_path: Path) -> None:
    new = "a better password"
    with served(tmp_path) as server, server.administrator() as admin:
        url = f"{API}/password"
        for body, status in (
            ({"current": "wrong", "new": new}, 401),
            ({"current": server.password, "new": "short"}, 400),
            ({"current": server.password}, 400),
        ):
            assert admin.post(url, json=body).status_code == status
        assert admin.get(f"{API}/session").status_code == 200
        assert admin.post(url, json={"current": server.password, "new": new}).status_code == 204
        assert admin.get(f"{API}/session").status_code == 401
        with server.client() as client:
            assert client.post(f"{API}/login", json={"password": server.password}).status_code == 401
            assert client.post(f"{API}/login", json={"password": new}).status_code == 200


def test_the_page_runs_nothing_but_its_own_files(server: Served) -> None:
    static = Path(__file__).parents[2] / "src/harken/server/admin/static"
    files = [f"/admin/static/{path.relative_to(static)}" for path in static.rglob("*") if path.is_file()]
    assert len(files) > 10
    with server.client() as client:
        for path in ("/admin", "/admin/", *files):
            answer = client.get(path)
            assert answer.status_code == 200, path
            policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
            assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
            assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
            assert answer.headers["x-content-type-options"] == "nosniff"
            again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
            assert again.status_code == (200 if path in ("/admin", "/admin/") else 304)
            if not path.endswith(".svg"):
                assert "://" not in answer.text, "nothing comes from elsewhere"
            assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=", answer.text)
        assert client.get("/admin/nothing").json()["error"]["code"] == "not_found"
        assert client.get("/admin/static/../__init__.py").status_code == 404
        assert client.get("/admin/static/%2e%2e/__init__.py").status_code == 404
