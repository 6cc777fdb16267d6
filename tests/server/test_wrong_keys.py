# SPDX-License-Identifier: Apache-2.0
"""Whoever tries keys is slowed down, over all processes, and shuts nobody out who has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from tests.server.admin import API, served

from harken.model import Policy, Scope

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Running, Serve


def ask(server: Running, key: str | None, path: str = "/v1/models") -> httpx.Response:
    return httpx.get(server.url + path, headers={} if key is None else {"Authorization": f"Bearer {key}"})


def test_many_wrong_keys_are_too_many(serve: Serve) -> None:
    first = serve(wrong_keys_per_minute=3, optional=False)
    # At once, for it may take as long to be up as a guess takes to be forgotten.
    second = serve(wrong_keys_per_minute=3, optional=False, spool_dir=first.spool)
    account = first.gate.account("a customer")
    known, fresh = first.gate.key(account), first.gate.key(account)
    assert ask(first, known).status_code == 200
    assert [ask(first, None).status_code for _ in range(5)] == [401] * 5, "none is not a wrong one"
    assert [ask(first, f"guess {number}").status_code for number in range(3)] == [401] * 3
    refused = ask(first, "guess 4")
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert "not valid came from your address" in refused.json()["error"]["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert ask(first, fresh).status_code == 429, "nothing is looked up: a guess that is right does not show"
    assert ask(first, known).status_code == 200, "whoever was let in before is not shut out by a neighbour"
    assert ask(first, None, "/healthz").status_code == 200
    assert ask(second, "guess 5").status_code == 429, "other processes count on"
    first.gate.revoke(known)


def test_administrators_keys_are_held_to_their_rate(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        accounts = server.gate.accounts
        account = accounts.create("operators", "test").id
        policy = Policy(frozenset({Scope.ADMIN}), rate=2)
        key = accounts.create_key(account, "a script", policy, "test")[1]
        with server.client(headers={"Authorization": f"Bearer {key}"}) as http:
            answers = [http.get(f"{API}/settings") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "retry-after" in answers[2].headers
