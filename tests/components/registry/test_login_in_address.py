"""A name and a password that stand in the address of an MLflow server: they open it, and nobody reads them."""

import os
import traceback
from pathlib import Path

import pytest

from components.contracts.errors import DiptychError, TransientError
from components.registry.store import open_store, store_errors, store_uri
from flows.loopback import free_port

NAMES = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set here is gone afterwards, also what the code sets itself."""
    for name in NAMES:
        monkeypatch.setenv(name, "of before")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def test_they_go_where_mlflow_looks_for_them(tmp_path: Path, monkeypatch):
    monkeypatch.setenv(NAMES[0], "https://m%40e:p%2Fw@host:5000/x")
    assert store_uri(tmp_path) == "https://host:5000/x"
    assert [os.environ[name] for name in NAMES] == ["https://host:5000/x", "m@e", "p/w"], "as requests had them"
    monkeypatch.setenv(NAMES[0], "https://other:5000")
    assert store_uri(tmp_path) == "https://other:5000"
    assert os.environ[NAMES[1]] == "m@e", "an address without them takes none away"
    for half in ("https://me@host", "https://:token@host"):  # which requests sends as they are, or not at all
        monkeypatch.setenv(NAMES[0], half)
        assert store_uri(tmp_path) == half
        assert [os.environ[name] for name in NAMES[1:]] == ["m@e", "p/w"]
    monkeypatch.setenv(NAMES[0], "postgresql://me:pw@host/mlflow")
    assert store_uri(tmp_path) == "postgresql://me:pw@host/mlflow", "no other place is known for those of a database"


def test_a_server_that_is_away_is_told_of_without_them_also_in_the_traceback(tmp_path: Path, monkeypatch):
    monkeypatch.setenv(NAMES[0], f"http://me:planted-password@127.0.0.1:{free_port()}")
    with pytest.raises(TransientError, match=r"the MLflow store http://127\.0\.0\.1:\d+ does not answer") as caught:
        open_store(tmp_path)
    assert "planted-password" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("said", ["failed with error code 401", "database is locked", "what it does not know"])
def test_what_mlflow_says_of_a_database_has_no_password(said):
    from mlflow.exceptions import MlflowException

    uri = "postgresql://me:planted-password@host/mlflow"
    with pytest.raises(DiptychError) as caught, store_errors(uri):
        raise MlflowException(f"{said}: {uri}")
    assert "planted-password" not in str(caught.value)
    assert "me:***@host" in str(caught.value)
