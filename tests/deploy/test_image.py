# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile: linted, and what it names exists. No container is started."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tests.deploy.files import ROOT, documents, parse

from harken.config import Settings

HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """Every instruction and its arguments, with lines that go on put together."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


@pytest.fixture(scope="module")
def last(instructions: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same of the last stage."""
    start = max(place for place, (word, _) in enumerate(instructions) if word == "FROM")
    return instructions[start:]


@pytest.fixture(scope="module")
def variables(last: list[tuple[str, str]]) -> dict[str, str]:
    """The environment of the image."""
    parts = [part for word, rest in last if word == "ENV" for part in shlex.split(rest)]
    return dict(part.split("=", 1) for part in parts)


def one(instructions: list[tuple[str, str]], word: str) -> str:
    (found,) = [rest for name, rest in instructions if name == word]
    return found


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([HADOLINT, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def sources(instructions: list[tuple[str, str]]) -> list[str]:
    found = [shlex.split(rest) for word, rest in instructions if word == "COPY"]
    return [source for words in found if not words[0].startswith("--from") for source in words[:-1]]


def test_what_is_copied_exists_and_is_not_ignored(instructions: list[tuple[str, str]]) -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert sources(instructions)
    for source in sources(instructions):
        assert (ROOT / source).exists()
        # The last rule that matches decides.
        matching = [rule for rule in rules if fnmatch(source, rule.removeprefix("!"))]
        assert matching[-1].startswith("!"), f"{source} is not sent to the builder"


def test_nothing_else_is_sent_to_the_builder(instructions: list[tuple[str, str]]) -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(sources(instructions))


def test_every_package_is_pinned_by_hash_and_nothing_is_compiled(instructions: list[tuple[str, str]]) -> None:
    installs = [rest for word, rest in instructions if word == "RUN" and " install " in f" {rest} " and "pip" in rest]
    assert len(installs) == 2
    for install in installs:
        assert ("--require-hashes" in install and "--only-binary :all:" in install) or (
            "--no-deps" in install and "--no-build-isolation" in install
        )


def test_it_runs_as_a_user_without_rights(last: list[tuple[str, str]]) -> None:
    user = one(last, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "Kubernetes can tell only a number from root"
    words = [word for word, _ in last]
    assert "COPY" not in words[words.index("USER") :]


def test_its_variables_are_settings(variables: dict[str, str]) -> None:
    ours = {name.removeprefix("HARKEN_").lower(): value for name, value in variables.items() if "HARKEN_" in name}
    settings = Settings.model_validate(ours)
    assert not settings.loopback
    assert ours.keys() == {"host", "port", "data_dir", "models_dir"}


def test_ports_and_folders_agree(last: list[tuple[str, str]], variables: dict[str, str]) -> None:
    assert one(last, "EXPOSE") == variables["HARKEN_PORT"]
    assert json.loads(one(last, "VOLUME")) == [variables["HARKEN_DATA_DIR"]]
    made = next(rest for word, rest in last if word == "RUN" and "useradd" in rest)
    for folder in (variables["HARKEN_DATA_DIR"], variables["HARKEN_MODELS_DIR"]):
        assert re.search(rf"install --directory --owner=harken[^&]* {folder}( |$)", made)


def test_what_it_runs_is_a_command(last: list[tuple[str, str]]) -> None:
    assert json.loads(one(last, "ENTRYPOINT")) == ["harken"]
    parse(json.loads(one(last, "CMD")))


def test_its_healthcheck_tells_a_server_that_answers_from_one_that_does_not(last: list[tuple[str, str]]) -> None:
    check = json.loads(one(last, "HEALTHCHECK").partition("CMD ")[2])
    assert check[0] == "python"
    code = (
        "import http.server, os, subprocess, sys, threading\n"
        "class Answer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200 if self.path == '/healthz' and self.server.well else 503)\n"
        "        self.end_headers()\n"
        "    def log_message(self, *_): pass\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Answer)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "os.environ['HARKEN_PORT'] = str(server.server_port)\n"
        "for server.well in (True, False):\n"
        "    print(subprocess.run([sys.executable, *sys.argv[1:]], stderr=subprocess.DEVNULL).returncode)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *check[1:]], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1"]


def test_the_models_of_all_files_are_those_of_make(instructions: list[tuple[str, str]]) -> None:
    (wanted,) = re.findall(r"harken models fetch (base .*)", (ROOT / "Makefile").read_text())
    for path in (ROOT / "compose.yaml", ROOT / "compose.cluster.yaml"):
        (compose,) = documents(path)
        assert {
            service["build"]["args"]["MODELS"] for service in compose["services"].values() if "build" in service
        } == {wanted}
    (fetching,) = [rest for word, rest in instructions if word == "RUN" and "harken models fetch" in rest]
    assert "$MODELS" in fetching
    parse(["models", "fetch", *wanted.split()])
