"""Where MLflow's server has files on their way to S3 and back: each whole, so there has to be room for those of a large model, on a disk."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from flows.page_apps import SPOOL
from flows.stack.pages import mlflow
from flows.stack.place import Place
from infra.manifests.render import pod_of
from tests.infra.deployed import compose, in_compose, in_kubernetes, named
from tests.mlflow_server import MlflowServer, mlflow_server
from tests.seaweed import KEY, SECRET, seaweed

LARGEST = 428_000_000 * 4  # bytes of a package of ViT-L/14 (open_clip: 427.6 M parameters) in float32, were it one file
AT_ONCE = 8  # pods of serving that begin, and jobs that register
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def said_of(where: str) -> str:
    """Return the folder that a container is told."""
    (folder,) = (one.variables[SPOOL] for one in (*in_compose(), *in_kubernetes()) if one.where == where)
    assert folder
    return folder


def size_bytes(said: str) -> int:
    return int(said[:-2]) * UNITS[said[-2:]]


def holds(mount: str, folder: str) -> bool:
    return Path(folder).is_relative_to(mount)


def test_in_kubernetes_it_has_room_for_several_of_a_large_model_on_a_disk():
    folder = said_of("mlflow/mlflow")
    pod = pod_of(named("Deployment")["mlflow"])
    (its,) = (one for one in pod["containers"] if one["name"] == "mlflow")
    (mount,) = (one["name"] for one in its["volumeMounts"] if holds(one["mountPath"], folder))
    (volume,) = (one["emptyDir"] for one in pod["volumes"] if one["name"] == mount)
    assert "medium" not in volume, "memory, which counts towards the container's"
    assert size_bytes(volume["sizeLimit"]) >= AT_ONCE * LARGEST


def test_in_compose_it_is_a_volume_of_its_own_and_no_memory():
    folder, services = said_of("compose/mlflow"), compose()["services"]
    its = services["mlflow"]
    assert not [one for one in its["tmpfs"] if holds(one.partition(":")[0], folder)]
    (volume,) = (one.partition(":")[0] for one in its["volumes"] if holds(one.partition(":")[2], folder))
    others = {
        one.partition(":")[0] for name in services if name != "mlflow" for one in services[name].get("volumes", ())
    }
    assert volume in compose()["volumes"]
    assert volume not in others, "it is emptied when the server starts"


def test_on_one_machine_it_is_among_the_servers_data(tmp_path):
    names = ("mlflow", "mlflow-forms", "mlflow-jobs", "mlflow-serving", "postgres-mlflow", "s3-mlflow", "webhooks")
    ports = {"mlflow": 5000, "postgres": 1, "s3": 1}
    place = Place(root=tmp_path, data=tmp_path / "data", ports=ports, passwords=dict.fromkeys(names, "p" * 32))
    assert holds(str(place.data), mlflow(place).environment[SPOOL])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MlflowServer, Path]]:
    """A server whose files lie in a real S3, and the folder that it is to have them in on their way, where one that was killed left a file."""
    s3, folder = tmp_path_factory.mktemp("s3"), tmp_path_factory.mktemp("server")
    spool = tmp_path_factory.mktemp("disk") / "spool"
    (spool / "tmpkilled").mkdir(parents=True)
    (spool / "tmpkilled/image_encoder.onnx").write_bytes(b"half of it")
    with seaweed(s3) as address:
        import boto3

        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
        client = boto3.client(
            "s3", endpoint_url=address, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
        )
        client.create_bucket(Bucket="mlflow")
        environment = {**keys, "MLFLOW_S3_ENDPOINT_URL": address, SPOOL: str(spool)}
        with mlflow_server(folder, "s3://mlflow/artifacts", environment) as server:
            yield server, spool


def test_files_go_through_it_both_ways_and_what_a_killed_one_left_is_gone(server):
    its, spool = server
    assert list(spool.iterdir()) == []
    assert spool.stat().st_mode & 0o777 == 0o700
    url, file = f"{its.url}/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/weights.bin", os.urandom(100_000)
    assert requests.put(url, data=file, timeout=60).status_code == 200
    assert requests.get(url, timeout=60).content == file
    assert list(spool.iterdir()) == []
    spool.rmdir()  # as little room as there can be
    assert requests.put(url, data=file, timeout=60).status_code == 500
    assert requests.get(url, timeout=60).status_code == 500
    spool.mkdir()
    assert requests.get(url, timeout=60).content == file
