"""Pools' templates by what reads them: Prefect checks what a deployment may change, and its Kubernetes worker makes the job."""

from copy import deepcopy
from typing import Any
from uuid import uuid4

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.templating import apply_values
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from infra.manifests.rules import broken
from infra.manifests.schema import misfits
from tests.infra.deployed import INFRA, POOLS, template


def job(pool: str, **changed: Any) -> dict[str, Any]:
    """Return the job as the worker sends it to the cluster, for a run whose deployment changes these variables."""
    said = template(pool)
    values = KubernetesWorkerJobConfiguration._get_base_config_defaults(said["variables"]["properties"]) | changed
    configuration = KubernetesWorkerJobConfiguration(**apply_values(template=said["job_configuration"], values=values))
    configuration.prepare_for_flow_run(FlowRun(id=uuid4(), name="quick-run", flow_id=uuid4()))
    return dict(configuration.job_manifest)


@pytest.mark.parametrize("pool", POOLS)
def test_the_worker_s_job_fits_the_schema_and_keeps_the_rules(pool):
    found = job(pool)
    assert misfits(found) + list(broken(found)) == []
    container = found["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["python", "-m", "prefect", "flow-run", "execute"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["PREFECT__FLOW_RUN_ID"]
    labels = found["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "job"
    assert labels["prefect.io/flow-run-id"] == variables["PREFECT__FLOW_RUN_ID"]


def test_a_deployment_changes_what_it_may():
    spot = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}
    found = job(
        "gpu", gpus=2, tolerations=[spot], memory_limit="128Gi", env={"DIPTYCH_DECODED_GB": "100"}, image="a/b:1.2.3"
    )
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert container["resources"]["limits"]["memory"] == "128Gi"
    assert pod["tolerations"] == [spot]
    assert container["image"] == "a/b:1.2.3"
    assert {"name": "DIPTYCH_DECODED_GB", "value": "100"} in container["env"]
    assert misfits(found) + list(broken(found)) == []


@pytest.mark.parametrize("pool", POOLS)
def test_what_a_deployment_says_is_checked(pool):
    schema = deepcopy(template(pool)["variables"])
    check = Draft202012Validator(schema)
    Draft202012Validator.check_schema(schema)
    check.validate({"memory_limit": "128Gi", "finished_job_ttl": 0})
    for wrong in ({"finished_job_ttl": -1}, {"memory_limit": 128}, {"tolerations": {}}, {"stream_output": "yes"}):
        with pytest.raises(ValidationError):
            check.validate(wrong)


def test_only_gpu_has_a_gpu():
    pods = {pool: job(pool)["spec"]["template"]["spec"] for pool in POOLS}
    limits = {pool: its["containers"][0]["resources"]["limits"] for pool, its in pods.items()}
    assert limits["gpu"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in limits["cpu"]
    assert pods["gpu"]["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert not pods["cpu"].get("nodeSelector")


def test_whoever_trains_has_shared_memory_for_the_processes_that_read():
    listed = yaml.safe_load_all((INFRA / "kubernetes/ranks/job.yaml").read_text())
    (ranks,) = [one for one in listed if one["kind"] == "Job"]
    trains = ranks["spec"]["template"]["spec"]
    assert trains["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    for pod in (*(job(pool)["spec"]["template"]["spec"] for pool in POOLS), trains):
        (mounted,) = [one["name"] for one in pod["containers"][0]["volumeMounts"] if one["mountPath"] == "/dev/shm"]
        (volume,) = [one for one in pod["volumes"] if one["name"] == mounted]
        assert volume["emptyDir"]["medium"] == "Memory"
