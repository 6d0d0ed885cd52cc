"""What infra/kubernetes says fits Kubernetes' schema and the rules of every container; each rule finds what breaks it."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.manifests.render import Unrendered, containers, rendered
from infra.manifests.rules import broken, pinned
from infra.manifests.schema import misfits

KUBERNETES = Path(__file__).parents[2] / "infra/kubernetes"
FOLDERS = ("base", "gpu", "ranks")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_manifest_fits_the_schema_and_keeps_the_rules(folder):
    manifests = rendered(KUBERNETES / folder)
    assert [said for manifest in manifests for said in (*misfits(manifest), *broken(manifest))] == []
    names = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    assert len(set(names)) == len(names)
    assert {one["metadata"].get("namespace") for one in manifests if one["kind"] != "Namespace"} == {"diptych"}


def test_every_file_of_a_kustomization_is_one_of_its_resources():
    for folder in FOLDERS:
        said = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())
        files = {path.name for path in (KUBERNETES / folder).glob("*.yaml")} - {"kustomization.yaml"}
        assert files == {name for name in said["resources"] if name.endswith(".yaml")}


def test_who_is_let_out_for_notices_is_prefects_server_and_nobody_is_let_in():
    (rule,) = yaml.safe_load_all((KUBERNETES / "notices.yaml").read_text())
    assert [*misfits(rule), *broken(rule)] == []
    sends = next(
        one
        for one in rendered(KUBERNETES / "base")
        if one["metadata"]["name"] == "prefect" and one["kind"] == "Deployment"
    )
    assert rule["spec"]["podSelector"]["matchLabels"].items() <= sends["spec"]["template"]["metadata"]["labels"].items()
    assert rule["metadata"]["namespace"] == "diptych"
    assert rule["spec"]["policyTypes"] == ["Egress"]
    assert {one["port"] for one in rule["spec"]["egress"][0]["ports"]} == {443, 465, 587}
    assert "`kubectl apply -f infra/kubernetes/notices.yaml`" in (KUBERNETES.parents[1] / "docs/cluster.md").read_text()


@pytest.mark.parametrize("folder", FOLDERS)
def test_how_many_pods_there_are_is_said_by_one(folder):
    manifests = rendered(KUBERNETES / folder)
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in manifests if one["kind"] == "HorizontalPodAutoscaler"}
    assert scaled == (set() if folder == "ranks" else {"serving"})
    said = {one["metadata"]["name"] for one in manifests if one["kind"] == "Deployment" and "replicas" in one["spec"]}
    assert said & scaled == set(), "each kubectl apply would take the autoscaler's pods away"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec/secretStoreRef", {"kind": "ClusterSecretStore", "nam": "diptych"}, "nam is none of name, kind"),
        ("spec/data/0/remoteReference", {"key": "a"}, "remoteReference is none of secretKey, remoteRef"),
        ("spec/data/0/remoteRef", "diptych/prefect", "has to be dict"),
        ("spec/data", {}, "has to be list"),
        ("spec/refreshInterval", 1, "has to be str"),
    ],
)
def test_a_secret_of_elsewhere_that_is_misspelt_is_found(path, value, said):
    secret = next(deepcopy(one) for one in rendered(KUBERNETES / "base") if one["kind"] == "ExternalSecret")
    assert misfits(secret) == []
    (found,) = misfits(put(secret, path, value))
    assert said in found
    assert found.startswith("ExternalSecret prefect")


def test_on_gpus_triton_alone_has_another_place_and_configuration():
    base, gpu = (rendered(KUBERNETES / folder) for folder in ("base", "gpu"))
    other = [(one, its) for one, its in zip(base, gpu, strict=True) if one != its]
    assert [its["metadata"]["name"] for _, its in other] == ["serving"]
    (before, after), named = other[0], ("lay", "triton", "gateway")
    assert [one["name"] for one in containers(after)] == [*named]
    changed = [name for name, one, its in zip(named, containers(before), containers(after), strict=True) if one != its]
    assert changed == ["triton"]
    triton = containers(after)[1]
    assert "--model-config-name=gpu" in triton["args"]
    assert triton["resources"]["limits"]["nvidia.com/gpu"] == 1


def serving() -> dict[str, Any]:
    return deepcopy(
        next(
            one
            for one in rendered(KUBERNETES / "base")
            if (one["kind"], one["metadata"]["name"]) == ("Deployment", "serving")
        )
    )


def put(manifest: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Set a value, or take it away where it is None, by a path of words and numbers."""
    *way, last = path.split("/")
    at: Any = manifest
    for word in way:
        at = at[int(word)] if word.isdigit() else at[word]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return manifest


POD, CONTAINER = "spec/template/spec", "spec/template/spec/containers/0"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (f"{CONTAINER}/image", "diptych/cpu:latest", "another image tomorrow"),
        (f"{CONTAINER}/image", "diptych/cpu", "another image tomorrow"),
        (f"{CONTAINER}/securityContext/readOnlyRootFilesystem", False, "write over its own image"),
        (f"{CONTAINER}/securityContext/allowPrivilegeEscalation", None, "may gain rights"),
        (f"{CONTAINER}/securityContext/capabilities", {"drop": ["NET_RAW"]}, "keeps capabilities"),
        (f"{CONTAINER}/securityContext/capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "keeps capabilities"),
        (f"{CONTAINER}/securityContext/runAsUser", 0, "runs as root after all"),
        (f"{CONTAINER}/resources/limits", {"cpu": "1"}, "says no limits of memory"),
        (f"{CONTAINER}/resources/requests", None, "says no requests of cpu and memory"),
        (f"{CONTAINER}/livenessProbe", None, "nobody would notice"),
        (f"{CONTAINER}/env", [{"name": "MLFLOW_TRACKING_PASSWORD", "value": "planted"}], "for everybody to read"),
        (f"{POD}/securityContext/runAsNonRoot", None, "may run as root"),
        (f"{POD}/securityContext/seccompProfile", None, "call the kernel"),
        (f"{POD}/automountServiceAccountToken", None, "a token for the cluster's API"),
        (f"{POD}/automountServiceAccountToken", None, "where its token for the cluster's API has to go"),
        (f"{POD}/serviceAccountName", None, "the account `default`"),
        (f"{POD}/hostNetwork", True, "hostNetwork"),
        (f"{POD}/volumes", [{"name": "disk", "hostPath": {"path": "/"}}], "the node's own disk"),
        (f"{POD}/volumes", [{"name": "tmp", "emptyDir": {}}], "may fill the node"),
        (f"{POD}/volumes", [{"name": "keys", "secret": {"secretName": "gateway"}}], "everybody may read"),
    ],
)  # fmt: skip
def test_a_rule_finds_what_breaks_it(path, value, said):
    found = list(broken(put(serving(), path, value)))
    assert any(said in one and one.startswith("Deployment serving") for one in found), found


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (f"{POD}/terminationGracePeriod", 90, "terminationGracePeriod is no word of V1PodSpec"),
        (f"{CONTAINER}/ports/0/containerPort", "8800", "has to be int"),
        (f"{CONTAINER}/ports/0/containerPort", None, "containerPort has to be said"),
        (f"{CONTAINER}/name", None, "name has to be said"),
        (f"{CONTAINER}/args", "python", "has to be a list"),
        (f"{CONTAINER}/resources/limits/memory", "8 GB", "is no quantity"),
        ("spec/selector", None, "selector has to be said"),
        ("apiVersion", "extensions/v1beta1", "there is no Deployment"),
        ("kind", "Deploiment", "there is no Deploiment"),
    ],
)
def test_the_schema_finds_what_does_not_fit(path, value, said):
    found = misfits(put(serving(), path, value))
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("image", "exact"),
    [
        ("postgres:17.5-bookworm", True), ("nvcr.io/nvidia/tritonserver:25.06-py3", True), ("a:5000/b:1.2.3", True), (f"a/b@sha256:{'0' * 64}", True),
        ("postgres", False), ("postgres:17", False), ("a:5000/b", False), ("a/b:latest", False), ("a/b:stable-2", False), ("a/b@sha256:12", False),
    ],
)  # fmt: skip
def test_an_exact_image_is_told_from_one_that_changes(image, exact):
    assert pinned(image) is exact


def test_an_image_of_a_kustomization_has_the_digest_that_it_says(tmp_path):
    said = {
        "resources": ["pod.yaml"],
        "images": [{"name": "a/b", "newName": "host/a/b", "newTag": "1.0", "digest": f"sha256:{'0' * 64}"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(said))
    (tmp_path / "pod.yaml").write_text(
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: 'a/b:0.1'}]}}"
    )
    (pod,) = rendered(tmp_path)
    assert [one["image"] for one in containers(pod)] == [f"host/a/b:1.0@sha256:{'0' * 64}"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"resources": [], "helmCharts": []}, "helmCharts"),
        ({"resources": ["gone.yaml"]}, "gone.yaml, which is not there"),
        ({"resources": [], "patches": [{"target": {"kind": "Deployment", "name": "gone"}, "patch": "[]"}]}, "Deployment gone"),
        ({"resources": ["one.yaml"], "patches": [{"target": {"kind": "Service", "name": "one"}, "patch": "[{op: remove, path: /spec/gone}]"}]}, "does not fit"),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_is_said(tmp_path, said, why):
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(said))
    (tmp_path / "one.yaml").write_text("{apiVersion: v1, kind: Service, metadata: {name: one}, spec: {}}")
    with pytest.raises(Unrendered, match=why):
        rendered(tmp_path)
