# SPDX-License-Identifier: Apache-2.0
"""What the files of a deployment and the pages on it name: settings, files, commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.deploy.files import NAMING, ROOT, documents, parse, settings_named, unknown_settings

from harken.cli.app import COMMANDS

DEPLOY = ROOT / "docs/deploy.md"


@pytest.mark.parametrize("path", NAMING, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_that_is_named_exists(path: Path) -> None:
    assert not unknown_settings(path.read_text(encoding="utf-8"))


def test_what_is_unknown_is_found() -> None:
    assert settings_named("HARKEN_HOST=x ${HARKEN_PROT:-1}") == {"host", "prot"}
    assert unknown_settings("HARKEN_HOST=x ${HARKEN_PROT:-1}") == {"prot"}


def test_every_file_that_the_page_names_exists() -> None:
    named = re.findall(
        r"`((?:deploy|docs)/[\w./-]+|[\w.]*compose[\w.]*\.yaml|Dockerfile|\.env\.example)`", DEPLOY.read_text()
    )
    assert len(named) > 5
    for name in named:
        assert (ROOT / name).exists(), name


def test_every_command_that_the_page_names_is_one() -> None:
    commands = rf"\bharken(?::[\d.]+)? ((?:{'|'.join(COMMANDS)})\b[^`#|\n]*)"
    lines = re.findall(commands, DEPLOY.read_text())
    assert len(lines) > 8
    for line in lines:
        parse(shlex.split(line))


def test_prometheus_keeps_the_service_of_the_manifests() -> None:
    (prometheus,) = documents(ROOT / "deploy/monitoring/prometheus.yaml")
    (job,) = prometheus["scrape_configs"]
    keeping = [rule for rule in job["relabel_configs"] if rule.get("action") == "keep"]
    (service,) = [one for one in documents(ROOT / "deploy/kubernetes/api.yaml") if one["kind"] == "Service"]
    assert [rule["regex"] for rule in keeping] == [service["metadata"]["name"]]
    (kustomization,) = documents(ROOT / "deploy/kubernetes/kustomization.yaml")
    assert job["kubernetes_sd_configs"][0]["namespaces"]["names"] == [kustomization["namespace"]]
