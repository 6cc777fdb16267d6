# SPDX-License-Identifier: Apache-2.0
"""What administrators do over HTTP: keys, accounts, credits, jobs of everyone, models, and what they are told."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.server.admin import API, Served, served
from tests.server.conftest import PATIENCE, until
from tests.server.test_schema import fuzz

from harken.config import Settings
from harken.ports import Executor
from harken.ports.residents import ModelOrder, Resident, ResidentState
from harken.store import SqlResidents, SqlRoster, connect
from harken.wiring.admin import in_force


@pytest.fixture(scope="module")
def server(sample_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Further models come from the folder that the sample was fetched into."""
    with served(tmp_path_factory.mktemp("admin"), sample_wav.parents[1]) as running:
        yield running


@pytest.fixture(scope="module")
def admin(server: Served) -> Iterator[httpx.Client]:
    """One session for all: logins are few."""
    with server.administrator() as client:
        yield client


def audited(admin: httpx.Client, count: int) -> list[tuple[str, str]]:
    """The newest changes, oldest of them first."""
    entries = admin.get(f"{API}/audit", params={"limit": count}).json()["entries"]
    assert all(entry["actor"] == "admin" for entry in entries)
    return [(entry["action"], entry["subject"]) for entry in reversed(entries)]


def refused(answer: httpx.Response, status: int, param: str | None = None) -> None:
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text


def test_a_key_is_told_once_and_does_what_it_may_until_it_is_revoked(server: Served, admin: httpx.Client) -> None:
    account = admin.post(f"{API}/accounts", json={"name": "Zoë"}).json()
    asked = {"account": account["id"], "name": "laptop", "scopes": ["jobs:read"], "models": ["whisper-1"], "rate": 5}
    made = admin.post(f"{API}/tokens", json={**asked, "languages": ["English"], "expires": time.time() + 3600})
    assert made.status_code == 201
    full, token = made.json()["key"], made.json()["token"]
    path = f"{API}/tokens/{token['id']}"
    assert (token["models"], token["languages"], token["state"]) == (["base"], ["en"], "active")

    def read() -> int:
        key = {"Authorization": f"Bearer {full}"}
        return httpx.get(f"{server.url}/v1/transcription-jobs", headers=key, timeout=PATIENCE).status_code

    assert read() == 200
    assert admin.get(path).json()["last_used"] is not None
    secret = full.split("_")[2]
    for told in (admin.get(f"{API}/tokens"), admin.get(path), admin.get(f"{API}/audit")):
        assert secret not in told.text

    changed = admin.patch(path, json={"scopes": ["transcribe"], "rate": None}).json()
    assert (changed["scopes"], changed["rate"], changed["models"], changed["name"]) == (
        ["transcribe"], None, ["base"], "laptop",
    )  # fmt: skip
    assert changed["expires"] == token["expires"]
    until(lambda: read() == 403)
    assert admin.patch(path, json={"expires": 1.0}).json()["state"] == "expired"
    until(lambda: read() == 401)
    assert admin.patch(path, json={"expires": None}).json()["state"] == "active"
    assert admin.delete(path).json()["state"] == "revoked"
    until(lambda: read() == 401)
    of_account = admin.get(f"{API}/tokens", params={"account": account["id"]}).json()["tokens"]
    assert [one["id"] for one in of_account] == [token["id"]]
    assert audited(admin, 6) == [
        ("account.create", account["id"]),
        ("key.create", token["id"]),
        *[("key.change", token["id"])] * 3,
        ("key.revoke", token["id"]),
    ]


def test_keys_that_cannot_be(admin: httpx.Client) -> None:
    account = admin.post(f"{API}/accounts", json={"name": "x"}).json()["id"]
    good = {"account": account, "name": "x"}
    for wrong, param in (
        ({"scopes": ["everything"]}, "scopes[0]"),
        ({"scopes": []}, "scopes"),
        ({"models": ["nonsense"]}, "model"),
        ({"languages": ["klingon"]}, "language"),
        ({"rate": 0}, "rate"),
        ({"concurrency": -1}, "concurrency"),
        ({"expires": 1.0}, "expires"),
        ({"name": " "}, "name"),
        ({"colour": "red"}, "colour"),
    ):
        refused(admin.post(f"{API}/tokens", json={**good, **wrong}), 400, param)
    refused(admin.post(f"{API}/tokens", json={**good, "account": "nobody"}), 404)
    for method in ("GET", "PATCH", "DELETE"):
        refused(admin.request(method, f"{API}/tokens/nothing", json={"name": "y"}), 404)
    assert admin.get(f"{API}/tokens", params={"account": account}).json()["tokens"] == []


def test_accounts_and_credits(server: Served, admin: httpx.Client) -> None:
    made = admin.post(f"{API}/accounts", json={"name": "Zoë"}).json()
    path = f"{API}/accounts/{made['id']}"
    assert admin.get(path).json() == made
    assert (made["balance"], made["closed"]) == (None, None)
    assert admin.patch(path, json={"name": "Zoe"}).json()["name"] == "Zoe"
    assert admin.post(f"{path}/credits", json={"credits": 30.5, "note": "a gift"}).json() == {"balance": 30.5}
    assert admin.post(f"{path}/credits", json={"credits": -0.125}).json() == {"balance": 30.375}
    key = admin.post(f"{API}/tokens", json={"account": made["id"], "name": "x"}).json()["key"]
    job = server.job(key)
    ledger = admin.get(f"{path}/credits").json()
    assert [(entry["kind"], entry["note"], entry["job"]) for entry in ledger["entries"]] == [
        ("reserve", "", job),
        ("grant", "", None),
        ("grant", "a gift", None),
    ]
    assert ledger["balance"] == sum(entry["credits"] for entry in ledger["entries"]) < 30.375
    page = admin.get(f"{path}/credits", params={"limit": 2}).json()
    rest = admin.get(f"{path}/credits", params={"limit": 2, "before": page["next"]}).json()
    assert [*page["entries"], *rest["entries"]] == ledger["entries"]
    assert rest["next"] is None
    assert admin.delete(f"{path}/credits").json() == {"balance": None}
    assert admin.get(path).json()["balance"] is None

    assert admin.patch(path, json={"closed": True}).json()["closed"] is not None
    mine = {"Authorization": f"Bearer {key}"}
    until(lambda: httpx.get(f"{server.url}/v1/models", headers=mine, timeout=PATIENCE).status_code == 401)
    assert admin.patch(path, json={"closed": False}).json()["closed"] is None
    for body, param in (({"credits": 0.0001}, "credits"), ({"credits": "many"}, "credits"), ({}, "credits")):
        refused(admin.post(f"{path}/credits", json=body), 400, param)
    refused(admin.post(f"{path}/credits", content=b'{"credits": 1e999}'), 400, "credits")
    refused(admin.post(f"{API}/accounts/nobody/credits", json={"credits": 1}), 404)
    refused(admin.get(f"{API}/accounts/nobody/credits"), 404)
    refused(admin.patch(f"{API}/accounts/nobody", json={"name": "x"}), 404)
    assert [one["id"] for one in admin.get(f"{API}/accounts").json()["accounts"]].count(made["id"]) == 1
    assert [action for action, _ in audited(admin, 8)] == [
        "account.create", "account.rename", "credits.grant", "credits.grant", "key.create", "credits.unlimited",
        "account.close", "account.reopen",
    ]  # fmt: skip


def test_jobs_of_everyone(server: Served, admin: httpx.Client) -> None:
    ours, theirs = server.key(admin), server.key(admin)
    known = {token["prefix"]: token["account"] for token in admin.get(f"{API}/tokens").json()["tokens"]}
    accounts = [known[key.split("_")[1]] for key in (ours, theirs)]
    jobs = [server.job(ours, "a.wav"), server.job(theirs, "b.wav"), server.job(ours, "c.wav")]

    def listed(**query: str) -> list[str]:
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = admin.get(f"{API}/jobs", params={"limit": "1", **query, **({"cursor": cursor} if cursor else {})})
            found += [job["id"] for job in page.json()["jobs"]]
            cursor = page.json()["next"]
        return [job for job in found if job in jobs]

    assert listed() == jobs[::-1]
    assert listed(account=accounts[0]) == [jobs[2], jobs[0]]
    assert listed(account="nobody") == []
    told = admin.get(f"{API}/jobs/{jobs[1]}").json()
    assert (told["account"], told["filename"], told["state"]) == (accounts[1], "b.wav", "queued")
    queues = {queue["lane"]: queue for queue in admin.get(f"{API}/overview").json()["queues"]}
    assert queues["interactive"]["queued"] >= 3
    assert queues["interactive"]["waits"] > 0

    assert admin.post(f"{API}/jobs/{jobs[1]}/cancel").json()["state"] == "cancelled"
    assert listed(state="cancelled") == [jobs[1]]
    refused(admin.post(f"{API}/jobs/{jobs[1]}/cancel"), 409)
    assert admin.delete(f"{API}/jobs/{jobs[1]}").status_code == 204
    assert listed(state="queued") == [jobs[2], jobs[0]]
    assert audited(admin, 2) == [("job.cancel", jobs[1]), ("job.delete", jobs[1])]
    # It is gone, and counts on.
    today = admin.get(f"{API}/usage", params={"days": 1}).json()
    mine = [row for row in today["accounts"] if row["account"] == accounts[1]]
    assert [(row["cancelled"], row["completed"], row["name"]) for row in mine] == [(1, 0, "of a test")]
    assert accounts[1] in {row["account"] for row in today["days"]}

    for path in (jobs[1], str(uuid.uuid4()), "nonsense"):
        refused(admin.get(f"{API}/jobs/{path}"), 404)
        refused(admin.post(f"{API}/jobs/{path}/cancel"), 404)
        refused(admin.delete(f"{API}/jobs/{path}"), 404)
    for query, param in (({"cursor": "x"}, "cursor"), ({"limit": "0"}, "limit"), ({"state": "odd"}, "state")):
        refused(admin.get(f"{API}/jobs", params=query), 400, param)


def test_models_are_fetched_and_deleted(admin: httpx.Client) -> None:
    path = f"{API}/models/sample"
    assert admin.get(path).json()["installed"] is False
    refused(admin.delete(path), 404, "model")
    assert admin.post(f"{path}/fetch").status_code == 202
    done = until(lambda: (told := admin.get(path).json())["fetch"]["state"] != "running" and told)
    assert (done["fetch"]["state"], done["installed"], done["fetch"]["error"]) == ("done", True, None)
    assert done["fetch"]["done"] == done["fetch"]["total"] > 900_000
    assert admin.delete(path).json()["freed"] > 900_000
    after = admin.get(path).json()
    assert (after["installed"], after["fetch"]) == (False, None)

    nowhere = f"{API}/models/large-v1"
    assert admin.post(f"{nowhere}/fetch").status_code == 202
    failed = until(lambda: (told := admin.get(nowhere).json())["fetch"]["state"] != "running" and told)
    assert failed["fetch"]["state"] == "failed"
    assert "could not be fetched" in failed["fetch"]["error"]
    assert audited(admin, 3) == [("model.fetch", "sample"), ("model.delete", "sample"), ("model.fetch", "large-v1")]

    for name in ("base", "silero-vad"):
        refused(admin.delete(f"{API}/models/{name}"), 409, "model")
    assert admin.delete(f"{nowhere}/fetch").json()["fetch"]["state"] == "failed"
    refused(admin.post(f"{API}/models/nonsense/fetch"), 400, "model")
    refused(admin.get(f"{API}/models/nonsense"), 400, "model")
    every = {model["name"]: model for model in admin.get(f"{API}/models").json()["models"]}
    assert every["base"]["default"]
    assert not every["large-v3"]["default"]


def test_models_are_loaded_and_let_go_by_every_worker(server: Served, admin: httpx.Client) -> None:
    path = f"{API}/models/base"
    assert admin.get(path).json()["workers"] == []
    for action in ("load", "unload"):
        refused(admin.post(f"{path}/{action}"), 503)
        refused(admin.post(f"{API}/models/silero-vad/{action}"), 400, action)
        refused(admin.post(f"{API}/models/nonsense/{action}"), 400, "model")
    engine = connect(server.database)
    board, roster = SqlResidents(engine), SqlRoster(engine)
    workers = [Executor(name, "a host", number, 1) for number, name in enumerate(("one", "other"), start=1)]
    for worker in workers:
        roster.beat(worker)
    board.report("one", [Resident("base", ResidentState.LOADED, 2)])
    board.report("other", [Resident("base", ResidentState.FAILED, 0, "no room")])
    told = {worker.pop("id"): worker for worker in admin.get(path).json()["workers"]}
    assert told == {
        "one": {"host": "a host", "pid": 1, "state": "loaded", "processes": 2, "detail": None},
        "other": {"host": "a host", "pid": 2, "state": "failed", "processes": 0, "detail": "no room"},
    }
    for action in ("load", "unload", "unload"):
        answer = admin.post(f"{path}/{action}")
        assert (answer.status_code, answer.json()["name"]) == (202, "base")
    assert board.orders() == [ModelOrder("base", load=False, serial=3)]
    assert audited(admin, 3) == [("model.load", "base"), ("model.unload", "base"), ("model.unload", "base")]
    for worker in workers:
        roster.leave(worker.id)
    engine.dispose()
    assert admin.get(path).json()["workers"] == []


def test_the_server_tells_how_it_does(admin: httpx.Client) -> None:
    told = admin.get(f"{API}/overview").json()
    parts = {check["part"]: check for check in told["checks"]}
    assert parts["database"]["ok"]
    assert not parts["workers"]["ok"]
    assert (told["ready"], told["workers"]) == (False, [])
    for query, param in (({"days": "0"}, "days"), ({"days": "x"}, "days")):
        refused(admin.get(f"{API}/usage", params=query), 400, param)


def test_newcomers_find_it(server: Served) -> None:
    assert httpx.get(server.url).json()["endpoints"]["admin"] == "/admin"
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    assert paths[f"{API}/login"]["post"]["security"] == []
    assert paths[f"{API}/tokens"]["post"]["security"] == [{"key": []}]


def test_settings_are_told_without_secrets(admin: httpx.Client) -> None:
    answer = admin.get(f"{API}/settings")
    assert "hush" not in answer.text
    told = {one["name"]: one for one in answer.json()["settings"]}
    assert set(told) == {f"HARKEN_{name.upper()}" for name in Settings.model_fields}
    assert told["HARKEN_HUB_URL"]["value"] == "http://127.0.0.1:1/hub"
    assert (told["HARKEN_SECRET"]["value"], told["HARKEN_API_KEYS"]["value"]) == ("set", "1 set")
    assert (told["HARKEN_OFFLINE"]["value"], told["HARKEN_OFFLINE"]["changed"]) == ("true", True)
    assert (told["HARKEN_LLM_MODEL"]["value"], told["HARKEN_LLM_MODEL"]["changed"]) == (None, False)


def test_no_setting_gives_a_secret_away() -> None:
    hushed = Settings(
        database_url="postgresql://me:hush@db.example:5432/harken?password=hush",
        redis_url="redis://:hush@cache.example/1",
        llm_base_url="https://hush:hush@llm.example/v1",
        llm_api_key="hush",
        secret="hush" * 8,
        api_keys=("hush-1" * 3, "hush-2" * 3),
        cors_origins=("https://a.example", "https://b.example"),
        prices={"transcribe": 2.0},
    )
    told = {one.name: one.value for one in in_force(hushed)}
    assert "hush" not in str(told)
    assert told["HARKEN_DATABASE_URL"] == "postgresql://db.example:5432/harken"
    assert told["HARKEN_REDIS_URL"] == "redis://cache.example/1"
    assert told["HARKEN_CORS_ORIGINS"] == "https://a.example, https://b.example"
    assert told["HARKEN_PRICES"] == "transcribe: 2.0"


def test_the_audit_log_is_read_page_by_page(admin: httpx.Client) -> None:
    every = admin.get(f"{API}/audit", params={"limit": 6}).json()["entries"]
    page = admin.get(f"{API}/audit", params={"limit": 3}).json()
    rest = admin.get(f"{API}/audit", params={"limit": 3, "before": page["next"]}).json()
    assert [*page["entries"], *rest["entries"]] == every
    assert [entry["id"] for entry in every] == sorted((entry["id"] for entry in every), reverse=True)
    end = admin.get(f"{API}/audit", params={"before": 1}).json()
    assert end == {"entries": [], "next": None}


def test_schemathesis(server: Served, admin: httpx.Client, tmp_path: Path) -> None:
    """Whatever an administrator sends: no 500, and answers as documented. Passwords are guessed elsewhere."""
    key = server.key(admin, scopes=["admin"])
    chosen = ("--include-path-regex", f"^{API}/", "--exclude-path-regex", "/(login|password)$")
    before = len(admin.get(f"{API}/accounts").json()["accounts"])
    fuzz(server.url, tmp_path, 4, *chosen, "-H", f"Authorization: Bearer {key}")
    with server.administrator() as again:
        assert len(again.get(f"{API}/accounts").json()["accounts"]) > before, "little was tested"
