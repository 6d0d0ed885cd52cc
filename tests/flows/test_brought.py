"""A workspace that registered in its own file, and then gets servers: they have its runs, versions, aliases and artifacts."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from components.contracts.errors import Busy, DataError
from components.registry.champion import files_of
from components.registry.store import open_store
from components.registry.versions import ModelVersion
from components.serving.package import Package
from components.stages.lock import hold
from components.stages.place import private
from flows.claims import Claims
from flows.serving.down import down
from flows.stack import brought
from flows.stack.brought import bring, folder_of, taken_over
from flows.stack.objects import client
from flows.stack.place import Place, is_made
from flows.stack.postgres import AS_ROOT, cluster_of
from flows.stack.seen import use
from flows.stack.up import end, up
from tests.debian_postgres import needs_postgres
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


def test_of_two_that_take_over_at_once_the_second_waits_since_it_would_take_back_what_the_first_has_put(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(brought, "WAIT_S", 0.1)
    with closing(Claims()) as claims:
        place = Place.of(make_place(tmp_path), None, claims)
    (place.root / "mlflow.db").touch()
    with (
        hold(private(place.root, "locks") / "brought.lock", "the first"),
        pytest.raises(Busy, match=r"mlflow\.db has is already being worked on"),
    ):
        bring(place)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[ModelVersion]]]:
    """A workspace with three versions in its file, the first of them champion and the third without files, whose servers run and have nothing."""
    needs_postgres()
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
        store.client.create_experiment("sweep", artifact_location=(root / "mlartifacts").as_uri())  # as a sweep does
        (root / "m#50%20" / "8").mkdir(parents=True)
        (root / "m#50%20" / "8" / "kept.txt").write_text("a plain path, as MLflow writes it")
        with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
            for statement in (
                f"INSERT INTO experiments VALUES (8, 'plain', '{root}/m#50%20/8', 'active', 1, 1, 'default')",
                "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status, db_payload_generation) VALUES ('tr-1', 1, 1, 5, 'OK', 0)",
                "INSERT INTO spans (trace_id, experiment_id, span_id, name, status, start_time_unix_nano, end_time_unix_nano, content) "
                "VALUES ('tr-1', 1, 's', 'n', 'OK', 1, 3, '{}')",
            ):
                connection.execute(statement)
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


@contextmanager
def changed(file: Path, *statements: str) -> Iterator[None]:
    """Write into the file, and have it as it was afterwards."""
    whole = file.read_bytes()
    try:
        with closing(sqlite3.connect(file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        yield
    finally:
        file.write_bytes(whole)


def objects(place: Place) -> list[str]:
    found = client(place, "mlflow").list_objects_v2(Bucket="mlflow", Prefix="artifacts/").get("Contents", ())
    return [one["Key"] for one in found]


def test_a_file_that_cannot_be_taken_over_is_said_and_leaves_nothing_behind(made):
    root, _ = made
    place, file = Place.read(root), root / "mlflow.db"
    with changed(file):
        file.write_bytes(b"no database" * 1000)
        with pytest.raises(DataError, match="cannot be taken over: file is not a database"):
            bring(place)
    with changed(file, "UPDATE alembic_version SET version_num = 'older'"):
        (said,) = taken_over(place)
        assert "another version of MLflow (older" in said
        assert "mlflow db upgrade sqlite:///mlflow.db" in said
    with changed(file, "UPDATE tags SET value = 'a' || char(0) || 'b' WHERE key = 'said'"):
        (said,) = taken_over(place)
        assert (
            "mlflow.db was not taken over, and these servers know nothing of it: A string literal cannot contain NUL"
            in said
        )
    assert objects(place) == []


def test_servers_have_what_the_file_had_and_go_on_from_there(made):
    root, (first, second, third) = made
    place = Place.read(root)
    said, warned = taken_over(place)
    files = [path for path in (root / "mlartifacts").rglob("*") if path.is_file()]
    assert said == f"Taken over from mlflow.db, which stays as it is: 3 runs, 3 versions, {len(files) + 1} artifacts."
    assert {"artifacts/8/kept.txt", f"artifacts/1/{first.run_id}/artifacts/package/manifest.json"} <= {*objects(place)}
    assert f"1 of these versions have no files any more where mlflow.db says they lie, such as {third.label}" in warned
    assert taken_over(place) == []  # asked again, there is nothing to do and nothing to say
    (elsewhere,) = taken_over(
        replace(place, data=root / "new")
    )  # where a backup is to be restored, nothing is in the way
    assert f"was taken over into the servers of {place.data} on 20" in elsewhere
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
    (trace,) = store.client.search_traces(locations=["1"], include_spans=False)
    assert (trace.info.trace_id, trace.info.execution_duration) == ("tr-1", 5)
    shutil.rmtree(root / ".diptych" / "versions", ignore_errors=True)  # nor can a copy on this machine stand in for it
    assert {one.label: Package.verify(files_of(one, root, store)).digest for one in (first, second)} == before
    assert make_version(root, store, seed=4, right=20).version == "4"
    assert int(store.client.create_experiment("another")) > 8
    with changed(root / "mlflow.db", "UPDATE runs SET name = 'since then'"):
        assert bring(place) is None
        (said,) = taken_over(place)
        assert "mlflow.db has what these servers do not know" in said


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("file:///a%20b/c", "/a b/c"), ("file://localhost/a", "/a"), ("file://far/a", None), ("/a#b/50%20off/c?d", "/a#b/50%20off/c?d"),
        ("mlruns/0", None), ("", None), ("s3://a/b", None), ("mlflow-artifacts:/1", None),
    ],
)  # fmt: skip
def test_a_place_on_this_machine_is_told_from_others(uri, folder):
    assert folder_of(uri) == (None if folder is None else Path(folder))
