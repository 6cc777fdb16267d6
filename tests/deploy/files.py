# SPDX-License-Identifier: Apache-2.0
"""The files that deploy harken, as those who read them see them, and the commands and settings that they name."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harken.cli.app import COMMANDS, load
from harken.config import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose.yaml", ROOT / "compose.cluster.yaml")
MANIFESTS = ROOT / "deploy/kubernetes"
NAMING = (
    ROOT / "Dockerfile",
    ROOT / ".env.example",
    *COMPOSE,
    *sorted((ROOT / "deploy").rglob("*.yaml")),
    ROOT / "docs/deploy.md",
    ROOT / "docs/scaling.md",
)
"""Whatever names settings and commands."""

Json = dict[str, Any]


def documents(path: Path) -> list[Json]:
    """What a YAML file holds."""
    return copy.deepcopy(_documents(path))


@cache
def _documents(path: Path) -> list[Json]:
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]


def settings_named(text: str) -> set[str]:
    """Settings that a text names, as fields of the class."""
    return {name.lower() for name in re.findall(r"\bHARKEN_([A-Z][A-Z_]*[A-Z])\b", text)}


def unknown_settings(text: str) -> set[str]:
    """Those of them that do not exist."""
    return settings_named(text) - Settings.model_fields.keys()


def parse(arguments: Sequence[str]) -> None:
    """Have the command line parse what comes after ``harken``, and run nothing. Raises click's UsageError, KeyError."""
    name, *rest = arguments
    assert name in COMMANDS, f"harken {name} is no command"
    command = load(name)
    while subcommands := getattr(command, "commands", None):
        name, *rest = rest
        command = subcommands[name]
    command.make_context(name, list(rest)).close()


def manifests() -> list[Json]:
    """What ``kubectl apply -k deploy/kubernetes`` applies, but for the names of images."""
    (kustomization,) = documents(MANIFESTS / "kustomization.yaml")
    return [one for name in kustomization["resources"] for one in documents(MANIFESTS / name)]


def manifests_with_models() -> list[Json]:
    """The same with the models in a volume."""
    (component,) = documents(MANIFESTS / "models-volume/kustomization.yaml")
    found = manifests() + [
        one for name in component["resources"] for one in documents(MANIFESTS / "models-volume" / name)
    ]
    for patch in component["patches"]:
        operations = yaml.safe_load((MANIFESTS / "models-volume" / patch["path"]).read_text(encoding="utf-8"))
        for one in found:
            if one["kind"] == patch["target"]["kind"]:
                for operation in operations:
                    _add(one, operation)
    return found


def _add(document: Json, operation: Json) -> None:
    """RFC 6902's ``add``."""
    assert operation["op"] == "add"
    *path, last = operation["path"].removeprefix("/").split("/")
    place: Any = document
    for key in path:
        place = place[int(key)] if isinstance(place, list) else place[key]
    value = copy.deepcopy(operation["value"])
    if isinstance(place, list):
        assert last == "-"
        place.append(value)
    else:
        place[last] = value


def of_kind(kind: str) -> dict[str, Json]:
    """The manifests of a kind by name."""
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == kind}


def pods() -> dict[str, Json]:
    """The pods' specifications by their Deployments' names."""
    return {name: one["spec"]["template"]["spec"] for name, one in of_kind("Deployment").items()}


def environment(container: Json) -> dict[str, Any]:
    """A container's own variables, and what each is."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def containers(pod: Json) -> Iterator[Json]:
    """All containers of a pod, those that prepare it too."""
    yield from pod.get("initContainers", [])
    yield from pod["containers"]
