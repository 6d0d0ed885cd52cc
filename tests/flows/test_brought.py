"""A workspace that registered in its own file, and then gets servers: they have its runs, versions, aliases and artifacts."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contracts.errors import CapabilityError, DataError
from components.registry.champion import files_of
from components.registry.store import open_store
from components.registry.versions import ModelVersion
from components.serving.package import Package
from flows.serving.down import down
from flows.stack.brought import bring, is_known, taken_over
from flows.stack.place import Place, is_made
from flows.stack.postgres import AS_ROOT, cluster_of, find_binaries
from flows.stack.seen import use
from flows.stack.up import end, up
from tests.empty_store import lay_empty_store
from tests.flows.rolled import make_place, make_version

pytestmark = pytest.mark.timeout(600)
SERVERS = (
    "PREFECT_API_URL",
    "PREFECT_API_AUTH_STRING",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[ModelVersion]]]:
    """A workspace with three versions in its file, the first of them champion and the third without files, whose servers run and have nothing."""
    try:
        find_binaries()
    except CapabilityError as err:
        if "CI" in os.environ:
            raise
        pytest.skip(str(err))
    root = make_place(tmp_path_factory.mktemp("brought"))
    with pytest.MonkeyPatch.context() as patch:
        for name in SERVERS:
            patch.delenv(name, raising=False)
        lay_empty_store(root)
        store = open_store(root)
        versions = [make_version(root, store, seed=seed, right=20) for seed in (1, 2, 3)]
        shutil.rmtree(root / "mlartifacts" / versions[2].run_id)
        store.client.set_registered_model_alias("tiny", "champion", versions[0].version)
        store.client.log_metric(versions[0].run_id, "loss", 0.25, step=7)
        store.client.set_tag(versions[1].run_id, "said", "by a person, ü")
        try:
            up(root, without=["workers", "hooks", "triton"], say=lambda said: None)
            patch.setenv("PREFECT_HOME", str(root / "home"))
            yield root, versions
        finally:
            for name in SERVERS:
                os.environ.pop(name, None)
            end(root)
            down(root)
            if is_made(root) and (folder := cluster_of(Place.read(root)).parent).parent == AS_ROOT:
                shutil.rmtree(folder)


def test_a_file_that_cannot_be_read_or_is_of_another_mlflow_is_said_and_changes_nothing(made):
    root, _ = made
    place, file = Place.read(root), root / "mlflow.db"
    whole = file.read_bytes()
    try:
        file.write_bytes(b"no database" * 1000)
        with pytest.raises(DataError, match="cannot be taken over: file is not a database"):
            bring(place)
        file.write_bytes(whole)
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'older'")
        connection.close()
        (said,) = taken_over(place)
        assert "another version of MLflow (older" in said
        assert "mlflow db upgrade sqlite:///mlflow.db" in said
    finally:
        file.write_bytes(whole)
    assert not is_known(place)


def test_servers_have_what_the_file_had_and_go_on_from_there(made):
    root, (first, second, third) = made
    place = Place.read(root)
    said, warned = taken_over(place)
    files = [path for path in (root / "mlartifacts").rglob("*") if path.is_file()]
    assert said == f"Taken over from mlflow.db, which stays as it is: 3 runs, 3 versions, {len(files)} artifacts."
    assert f"1 of these versions have no files any more where mlflow.db says they lie, such as {third.label}" in warned
    assert taken_over(place) == []  # asked again, there is nothing to do and nothing to say
    assert is_known(place)
    before = {one.label: Package.verify(files_of(one, root, open_store(root))).digest for one in (first, second)}
    shutil.move(root / "mlartifacts", root / "away")
    shutil.move(root / "runs", root / "away")
    use(root)
    store = open_store(root)
    assert store.uri == place.url("mlflow")
    assert store.client.get_registered_model("tiny").aliases == {"champion": "1"}
    assert store.client.get_run(first.run_id).data.metrics["loss"] == 0.25
    assert [one.step for one in store.client.get_metric_history(first.run_id, "loss")] == [7]
    assert store.client.get_run(second.run_id).data.tags["said"] == "by a person, ü"
    shutil.rmtree(root / ".diptych" / "versions", ignore_errors=True)  # nor can a copy on this machine stand in for it
    assert {one.label: Package.verify(files_of(one, root, store)).digest for one in (first, second)} == before
    assert make_version(root, store, seed=4, right=20).version == "4"
    assert store.client.create_experiment("another") not in {"0", "1"}


def test_servers_that_have_runs_of_their_own_take_nothing_and_say_so(made):
    root, _ = made
    place = Place.read(root)
    with sqlite3.connect(root / "mlflow.db") as connection:
        connection.execute("UPDATE runs SET name = 'since then'")
    connection.close()
    assert bring(place) is None
    (said,) = taken_over(place)
    assert "they have runs of their own, so it is not taken over" in said
