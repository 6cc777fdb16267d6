# SPDX-License-Identifier: Apache-2.0
"""The compose files: linted, and what they name exists. No container is started."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.files import COMPOSE, ROOT, Json, documents, parse

from harken.config import Settings

LINT = Path(sys.executable).with_name("compose-lint")


def services(path: Path, *, ours: bool = True) -> dict[str, Json]:
    """The services of a file by name: those that run harken, or the others."""
    (compose,) = documents(path)
    return {name: one for name, one in compose["services"].items() if one["image"].startswith("harken:") is ours}


def ours() -> list[Any]:
    return [
        pytest.param(service, id=f"{path.stem}-{name}") for path in COMPOSE for name, service in services(path).items()
    ]


def seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration[:-1])


def settings(service: Json) -> Settings:
    """What harken makes of a service's environment."""
    given = {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for name, value in service["environment"].items()}
    return Settings.model_validate(
        {name.removeprefix("HARKEN_").lower(): value for name, value in given.items() if name.startswith("HARKEN_")}
    )


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.stem)
def test_compose_lint_finds_nothing(path: Path) -> None:
    command = [
        str(LINT),
        "check",
        "--config",
        "deploy/compose-lint.yaml",
        "--strict-config",
        "--fail-on",
        "low",
        "--no-env",
    ]
    done = subprocess.run([*command, path.name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", ours())
def test_its_command_is_one(service: Json) -> None:
    parse(service.get("command", ["serve"]))


@pytest.mark.parametrize("service", ours())
def test_it_has_time_to_drain(service: Json) -> None:
    drain = settings(service).drain_seconds
    # A worker that stops in the middle of a window waits for its drain twice; so does a supervisor, for two programs.
    needed = drain if "--no-worker" in service.get("command", []) else 2 * drain + 10
    assert seconds(service["stop_grace_period"]) > needed


@pytest.mark.parametrize("service", ours())
def test_the_image_is_that_of_this_version(service: Json) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert service["image"] == f"harken:{version}"


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.stem)
def test_no_secret_is_in_the_file(path: Path) -> None:
    for service in (services(path) | services(path, ours=False)).values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|DATABASE_URL", name):
                assert re.search(r"\$\{\w+:\?.+\}", value), f"{name} is in {path.name}"


def test_all_that_must_be_said_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    wanted = {name for path in COMPOSE for name in re.findall(r"\$\{(\w+)[:}]", path.read_text())}
    assert wanted == set(re.findall(r"^(\w+)=", example, flags=re.MULTILINE))
    assert re.search(r"^/?\.env$", (ROOT / ".gitignore").read_text(), flags=re.MULTILINE), "git must ignore .env"


def test_servers_and_workers_share_database_secret_and_store() -> None:
    shared = [
        {key: value for key, value in service["environment"].items() if not re.search("CHILDREN|DRAIN|ALIVE", key)}
        for service in services(COMPOSE[1]).values()
    ]
    assert len(shared) > 2
    assert all(one == shared[0] for one in shared)
    found = settings(services(COMPOSE[1])["api"])
    assert found.database_url
    assert found.blobs
    assert found.secret


def test_the_workers_do_every_lane_and_one_does_short_recordings_alone() -> None:
    commands = [service["command"] for service in services(COMPOSE[1]).values()]
    assert ["worker"] in commands
    assert ["worker", "--lane", "interactive"] in commands


def test_the_store_has_the_bucket_that_is_used() -> None:
    (compose,) = documents(COMPOSE[1])
    store = compose["services"]["store"]
    bucket = str(settings(services(COMPOSE[1])["api"]).blobs).removeprefix("s3://").split("/")[0]
    assert f"-bucket={bucket}" in store["command"]
    endpoint = compose["services"]["api"]["environment"]["AWS_ENDPOINT_URL"]
    assert store["healthcheck"]["test"][-1] == endpoint.replace("store", "127.0.0.1") + "/healthz"


def test_the_proxy_leads_to_the_servers() -> None:
    (compose,) = documents(COMPOSE[1])
    assert f"dynamic a api {settings(services(COMPOSE[1])['api']).port} " in compose["configs"]["proxy"]["content"]
    (published,) = compose["services"]["proxy"]["ports"]
    assert f":{published.rpartition(':')[2]} {{" in compose["configs"]["proxy"]["content"]


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.stem)
def test_nothing_is_published_beyond_this_machine(path: Path) -> None:
    for service in (services(path) | services(path, ours=False)).values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_a_worker_is_well_while_its_file_is_young() -> None:
    for service in services(COMPOSE[1]).values():
        if service["command"][0] == "worker":
            shell, check = service["healthcheck"]["test"]
            assert shell == "CMD-SHELL"
            assert service["environment"]["HARKEN_ALIVE_FILE"] in check
