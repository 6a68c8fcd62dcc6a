"""The manifests in deploy/kubernetes: each fits its schema, and what they say of the hub is so."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema_rs import validator_for

from mcphub.api.metrics import FAMILIES
from mcphub.serve import LEAVE_BALANCER_S
from mcphub.settings import KNOWN, Settings

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
MANIFESTS: list[dict[str, Any]] = [
    manifest for file in sorted(FOLDER.glob("*.yaml")) for manifest in yaml.safe_load_all(file.read_text())
]
OWN = {("postgresql.cnpg.io/v1", "Cluster"): json.loads((Path(__file__).parent / "cnpg_cluster.json").read_text())}


def named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def the(kind: str) -> dict[str, Any]:
    (found,) = [manifest for manifest in MANIFESTS if manifest["kind"] == kind]
    return found


def container() -> dict[str, Any]:
    (found,) = the("StatefulSet")["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=named)
def test_a_manifest_fits_its_schema(manifest: dict[str, Any]) -> None:
    """Kubernetes' own, of the newest release that is known; a resource of CloudNativePG by a schema of ours."""
    own = OWN.get((manifest["apiVersion"], manifest["kind"]))

    if own is not None:
        validator_for(own).validate(manifest)
    else:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_a_manifest_with_a_mistake_fits_none() -> None:
    misspelt = {**the("StatefulSet"), "spec": {**the("StatefulSet")["spec"], "replica": 3}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, kubernetes_validate.latest_version(), strict=True)
    cluster = the("Cluster")
    wrong = {**cluster, "spec": {**cluster["spec"], "postgresql": {"synchronous": {"method": "all", "number": 1}}}}
    assert not validator_for(OWN["postgresql.cnpg.io/v1", "Cluster"]).is_valid(wrong)


def test_every_variable_is_one_the_hub_knows() -> None:
    variables = {*the("ConfigMap")["data"], *(each["name"] for each in container()["env"])}

    assert variables - KNOWN == {"DATABASE_URL"}


def test_the_database_is_the_one_of_the_cluster() -> None:
    sources = {each["name"]: each["valueFrom"] for each in container()["env"]}

    assert sources["DATABASE_URL"]["secretKeyRef"]["name"] == f"{the('Cluster')['metadata']['name']}-app"


def test_a_node_has_the_time_it_needs_to_leave() -> None:
    grace = the("StatefulSet")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]

    assert grace >= LEAVE_BALANCER_S + Settings(home=Path()).drain_seconds + 10


def test_nodes_are_added_by_a_figure_that_is_measured() -> None:
    (by,) = the("HorizontalPodAutoscaler")["spec"]["metrics"]

    assert by["pods"]["metric"]["name"] in FAMILIES


def test_selectors_and_ports_lead_to_the_hub() -> None:
    labels = the("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"] for port in container()["ports"]}
    services = [manifest for manifest in MANIFESTS if manifest["kind"] == "Service"]

    assert all(service["spec"]["selector"] == labels for service in services)
    assert {port["targetPort"] for service in services for port in service["spec"]["ports"]} <= ports
    assert the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert the("StatefulSet")["spec"]["serviceName"] in {service["metadata"]["name"] for service in services}
    assert {container()[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "/readyz",
        "/livez",
    }
