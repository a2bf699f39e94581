"""The manifests refer only to settings, commands, routes, ports and manifests that exist."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from shared import __version__
from shared.settings import Settings
from tests.deploy.composition import seconds, services
from tests.deploy.images import ROOT, image
from tests.deploy.test_env_example import setting_names

FOLDER = ROOT / "docs/deploy/kubernetes"
NOT_APPLIED = {"kustomization.yaml", "secret.example.yaml"}
IMAGES = {"tsad-api": "Dockerfile.api", "tsad-worker": "Dockerfile.worker"}

Manifest = dict[str, Any]


def manifests() -> Iterator[Manifest]:
    for file in sorted(FOLDER.glob("*.yaml")):
        if file.name != "kustomization.yaml":
            yield from yaml.safe_load_all(file.read_text())


def of_kind(*kinds: str) -> dict[str, Manifest]:
    return {manifest["metadata"]["name"]: manifest for manifest in manifests() if manifest["kind"] in kinds}


WORKLOADS = of_kind("Deployment", "Job")
every_workload = pytest.mark.parametrize("name", WORKLOADS)


def pod(name: str) -> Manifest:
    spec: Manifest = WORKLOADS[name]["spec"]["template"]["spec"]
    return spec


def container(name: str) -> Manifest:
    (container_spec,) = pod(name)["containers"]
    assert isinstance(container_spec, dict)
    return container_spec


def labels(name: str) -> Manifest:
    pod_labels: Manifest = WORKLOADS[name]["spec"]["template"]["metadata"]["labels"]
    return pod_labels


def kustomization() -> Manifest:
    content: Manifest = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return content


def test_every_file_is_applied_except_the_example_secret() -> None:
    assert {*kustomization()["resources"], *NOT_APPLIED} == {file.name for file in FOLDER.glob("*.yaml")}


def test_everything_is_in_the_namespace() -> None:
    (namespace,) = of_kind("Namespace")
    assert {manifest["metadata"].get("namespace", namespace) for manifest in manifests()} == {namespace}
    assert kustomization()["namespace"] == namespace


def test_the_images_are_built_here_and_have_the_tag_of_this_release() -> None:
    assert {container(name)["image"] for name in WORKLOADS} == IMAGES.keys()
    assert {entry["name"]: entry["newTag"] for entry in kustomization()["images"]} == dict.fromkeys(IMAGES, __version__)


@every_workload
def test_a_workload_runs_the_same_command_as_in_compose(name: str) -> None:
    service, workload = services()[name], container(name)
    assert IMAGES[workload["image"]] == service["build"]["dockerfile"]
    compose_only = ("--role=tsad_app",)  # on other servers, the operator creates the roles
    command = [word for word in service.get("command", ()) if word not in compose_only]
    assert workload.get("command") == (command or None)


@every_workload
def test_a_workload_reads_settings_and_secrets_that_exist(name: str) -> None:
    configured = of_kind("ConfigMap", "Secret")
    for source in container(name).get("envFrom", []):
        (reference,) = source.values()
        assert reference["name"] in configured
    for variable in container(name).get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        assert reference is None or reference["key"] in configured[reference["name"]]["stringData"]


def test_the_configuration_contains_only_valid_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = yaml.safe_load((FOLDER / "config.yaml").read_text())["data"]
    values |= next(yaml.safe_load_all((FOLDER / "secret.example.yaml").read_text()))["stringData"]
    assert values.keys() <= setting_names()
    monkeypatch.chdir(tmp_path)
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)
    settings = Settings.load()
    assert settings.database
    assert settings.redis


def probes(name: str) -> list[Manifest]:
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    return [container(name)[kind]["httpGet"] for kind in kinds if kind in container(name)]


@every_workload
def test_probes_use_the_port_that_is_served(name: str) -> None:
    workload = container(name)
    ports = {port["name"]: str(port["containerPort"]) for port in workload.get("ports", [])}
    command = workload.get("command") or image(IMAGES[workload["image"]], "runtime").command
    assert all(ports[probe["port"]] in command or f"--port={ports[probe['port']]}" in command for probe in probes(name))
    assert bool(probes(name)) == bool(ports)


def test_the_probes_of_the_api_use_existing_routes(api: httpx.Client) -> None:
    paths = {probe["path"] for probe in probes("api")}
    assert paths == {"/livez", "/readyz"}
    assert all(api.get(path).status_code == 200 for path in paths)


@every_workload
def test_a_pod_has_enough_time_to_stop(name: str) -> None:
    if "stop_grace_period" in services()[name]:
        delay_s = 5 if "lifecycle" in container(name) else 0
        assert pod(name)["terminationGracePeriodSeconds"] - delay_s >= seconds(services()[name]["stop_grace_period"])


@every_workload
def test_a_pod_has_only_the_privileges_that_it_needs(name: str) -> None:
    security_context = container(name)["securityContext"]
    assert security_context == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["automountServiceAccountToken"] is False
    assert {mount["mountPath"] for mount in container(name)["volumeMounts"]} == {"/tmp"}  # noqa: S108 - in a pod


def test_autoscaled_workloads_have_no_fixed_replicas_and_all_request_cpu() -> None:
    scaled = {scaler["spec"]["scaleTargetRef"]["name"] for scaler in of_kind("HorizontalPodAutoscaler").values()}
    assert scaled == {"api", "worker"}
    for name in of_kind("Deployment"):
        assert ("replicas" in WORKLOADS[name]["spec"]) == (name not in scaled)
        assert container(name)["resources"]["requests"]["cpu"]


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"])
def test_every_selector_matches_pods(kind: str) -> None:
    for manifest in (manifest for manifest in manifests() if manifest["kind"] == kind):
        selector = manifest["spec"].get("selector") or manifest["spec"]["podSelector"]
        required = selector.get("matchLabels", selector)
        selected = [name for name in WORKLOADS if required.items() <= labels(name).items()]
        assert selected == ([manifest["metadata"]["name"]] if required else list(WORKLOADS))
