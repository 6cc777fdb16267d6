# SPDX-License-Identifier: Apache-2.0
"""The manifests: valid to the letter, and what they name exists. No cluster is asked."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import pytest
from tests.deploy.files import (
    MANIFESTS,
    ROOT,
    Json,
    containers,
    documents,
    environment,
    manifests,
    manifests_with_models,
    of_kind,
    parse,
    pods,
)
from tests.server.test_metrics import FIGURES, page

from harken.config import Settings
from harken.model import Lane
from harken.ports import Queue
from harken.server.metrics import Metrics
from harken.server.ops import PUBLIC

WORKERS = [lane.value for lane in Lane]
VERSIONS = ("1.35", "1.37")
"""The oldest and the newest whose schemas there are."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("render", [manifests, manifests_with_models])
def test_every_manifest_is_valid(render: Callable[[], list[Json]], version: str) -> None:
    found = render()
    assert len(found) > 10
    for one in [*found, *documents(MANIFESTS / "secret.example.yaml")]:
        kubernetes_validate.validate(one, version, strict=True)


def test_every_manifest_is_applied() -> None:
    (kustomization,) = documents(MANIFESTS / "kustomization.yaml")
    there = {path.name for path in MANIFESTS.glob("*.yaml")}
    assert there == {*kustomization["resources"], "kustomization.yaml", "secret.example.yaml"}


@pytest.mark.parametrize("name", pods())
def test_its_command_is_one(name: str) -> None:
    for one in manifests_with_models():
        if one["kind"] == "Deployment" and one["metadata"]["name"] == name:
            found = list(containers(one["spec"]["template"]["spec"]))
            assert len(found) == 2
            for container in found:
                parse(container["args"])


@pytest.mark.parametrize("name", pods())
def test_it_fits_the_restricted_standard_of_its_namespace(name: str) -> None:
    (namespace,) = of_kind("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert user is not None
    security = pods()[name]["securityContext"]
    assert security["runAsNonRoot"]
    assert [security["runAsUser"], security["runAsGroup"]] == [int(number) for number in user.groups()]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in manifests_with_models():
        if one["kind"] == "Deployment":
            for container in containers(one["spec"]["template"]["spec"]):
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }


@pytest.mark.parametrize("name", pods())
def test_what_it_writes_has_a_volume(name: str) -> None:
    pod = pods()[name]
    (container,) = pod["containers"]
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    image = dict(re.findall(r"(HARKEN_\w+_DIR)=(\S+)", (ROOT / "Dockerfile").read_text()))
    assert mounts == {image["HARKEN_DATA_DIR"], "/tmp"}
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    alive = environment(container).get("HARKEN_ALIVE_FILE")
    assert alive is None or str(Path(alive).parent) in mounts


def test_the_volume_of_models_is_where_the_image_looks_for_them() -> None:
    folder = re.search(r"HARKEN_MODELS_DIR=(\S+)", (ROOT / "Dockerfile").read_text())
    assert folder is not None
    for one in manifests_with_models():
        if one["kind"] == "Deployment":
            for container in containers(one["spec"]["template"]["spec"]):
                assert {"name": "models", "mountPath": folder[1]} in container["volumeMounts"]


@pytest.mark.parametrize("name", [f"harken-{lane}" for lane in WORKERS])
def test_a_worker_has_time_to_drain(name: str) -> None:
    drain = float(environment(pods()[name]["containers"][0])["HARKEN_DRAIN_SECONDS"])
    assert pods()[name]["terminationGracePeriodSeconds"] > 2 * drain + 10


def test_a_server_has_time_to_drain() -> None:
    (container,) = pods()["harken-api"]["containers"]
    pause = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = float(environment(container)["HARKEN_DRAIN_SECONDS"])
    assert pods()["harken-api"]["terminationGracePeriodSeconds"] > pause + drain


def test_the_settings_are_good_ones() -> None:
    (shared,) = of_kind("ConfigMap").values()
    (secret,) = documents(MANIFESTS / "secret.example.yaml")
    told = shared["data"] | secret["stringData"]
    for pod in pods().values():
        (container,) = pod["containers"]
        assert {one.get("configMapRef", one.get("secretRef"))["name"] for one in container["envFrom"]} == {
            shared["metadata"]["name"], secret["metadata"]["name"]
        }  # fmt: skip
        own = {name: value for name, value in environment(container).items() if isinstance(value, str)}
        settings = Settings.model_validate(
            {
                name.removeprefix("HARKEN_").lower(): value
                for name, value in (told | own).items()
                if name.startswith("HARKEN_")
            }
        )
        assert settings.database_url
        assert settings.blobs
        assert settings.secret is not None
        assert len(settings.secret.get_secret_value()) >= 32


def test_a_server_s_probes_ask_what_needs_no_key() -> None:
    (container,) = pods()["harken-api"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[kind]["httpGet"]
        assert asked["path"] in PUBLIC
        assert asked["port"] in ports
    (service,) = of_kind("Service").values()
    assert service["spec"]["ports"][0]["targetPort"] in ports
    assert f"HARKEN_PORT={ports['http']} " in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("name", [f"harken-{lane}" for lane in WORKERS])
def test_a_worker_s_probe_tells_a_young_file_from_an_old_one(name: str, tmp_path: Path) -> None:
    (container,) = pods()[name]["containers"]
    file = environment(container)["HARKEN_ALIVE_FILE"]
    here = tmp_path / "alive"

    def well(kind: str) -> bool:
        command = [part.replace(file, str(here)) for part in container[kind]["exec"]["command"]]
        assert str(here) in " ".join(command)
        return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0

    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    assert not any(well(kind) for kind in kinds)
    here.touch()
    assert all(well(kind) for kind in kinds)
    then = time.time() - 60
    os.utime(here, (then, then))
    assert not well("livenessProbe")
    assert not well("readinessProbe")


def test_what_selects_pods_finds_those_of_one_deployment() -> None:
    for name, deployment in of_kind("Deployment").items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        (spread,) = pods()[name]["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"] == labels
        budget = of_kind("PodDisruptionBudget")[name]
        assert budget["spec"]["selector"]["matchLabels"] == labels
    (service,) = of_kind("Service").values()
    assert service["spec"]["selector"] == pod_labels("harken-api")


def pod_labels(name: str) -> dict[str, str]:
    labels: dict[str, str] = of_kind("Deployment")[name]["spec"]["template"]["metadata"]["labels"]
    return labels


def test_every_deployment_grows_and_none_is_held_at_a_number() -> None:
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind("HorizontalPodAutoscaler").values()}
    assert scaled == of_kind("Deployment").keys()
    assert not any("replicas" in one["spec"] for one in of_kind("Deployment").values())


@pytest.mark.parametrize("lane", WORKERS)
def test_workers_grow_by_a_metric_that_there_is(lane: str) -> None:
    (container,) = pods()[f"harken-{lane}"]["containers"]
    assert container["args"] == ["worker", "--lane", lane]
    (metric,) = of_kind("HorizontalPodAutoscaler")[f"harken-{lane}"]["spec"]["metrics"]
    asked = metric["external"]["metric"]
    told = page(Metrics(lambda: ([Queue(Lane(lane), 1, 0, 1.0)], FIGURES)))
    assert f"{asked['name']} {asked['selector']['matchLabels']['lane']}" in told
    (adapter,) = documents(ROOT / "deploy/monitoring/adapter.yaml")
    (rule,) = adapter["rules"]["external"]
    assert rule["seriesQuery"].startswith(f"{asked['name']}{{")
    assert "by (lane)" in rule["metricsQuery"]
