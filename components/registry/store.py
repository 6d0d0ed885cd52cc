"""The MLflow store: a SQLite file of the workspace, by absolute path, or whatever MLFLOW_TRACKING_URI names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from components.contracts.address import without_login, without_password
from components.contracts.errors import ConfigError, DiptychError, TransientError

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "diptych"
TRACKING = "MLFLOW_TRACKING_URI"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # else its page guesses, and offers tools for chat models
# Read by mlflow when it is imported.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """An open store.

    Args:
        uri: what `mlflow ui --backend-store-uri` takes.
        client: asks it; carries no state of its own, unlike `mlflow.log_*`.
        experiment: the id of the experiment that all runs are in.
    """

    uri: str
    client: "MlflowClient"
    experiment: str


def store_uri(root: Path) -> str:
    """Return where the store is, without opening it.

    A name and a password in the address of a server go into the variables that MLflow has for them first: what it says of a request that fails has its
    address, and logs have that.
    """
    uri = os.environ.get(TRACKING) or f"sqlite:///{root.resolve() / 'mlflow.db'}"
    who = urlsplit(uri)
    if who.scheme not in ("http", "https") or not (who.username and who.password):
        return uri
    os.environ |= {
        TRACKING: without_login(uri), "MLFLOW_TRACKING_USERNAME": unquote(who.username), "MLFLOW_TRACKING_PASSWORD": unquote(who.password),
    }  # fmt: skip
    return os.environ[TRACKING]


def open_store(root: Path) -> Store:
    """Return the store of a workspace, made if it is not there yet. Takes about 7 s, most of it importing mlflow."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    uri = store_uri(root)
    with store_errors(uri):
        client = MlflowClient(tracking_uri=uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or uri)
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return Store(uri=uri, client=client, experiment=found.experiment_id)
        # Left to itself, mlflow puts artifacts into the folder that we happen to stand in; a server has its own place.
        place = (root.resolve() / "mlartifacts").as_uri() if uri.startswith("sqlite") else None
        with there_already():
            client.create_experiment(EXPERIMENT, artifact_location=place, tags=_KIND)
        made = client.get_experiment_by_name(EXPERIMENT)
        assert made is not None
        return Store(uri=uri, client=client, experiment=made.experiment_id)


@contextmanager
def there_already() -> Iterator[None]:
    """Take it well that what is to be made is there: another made it at this moment, or we did, and the answer was lost on its way.

    MLflow's client asks again by itself where an answer does not come, whatever it asked for.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


@contextmanager
def gone_already() -> Iterator[None]:
    """Take it well that what is to be deleted is gone, for the same reasons."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as err:
        if err.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Say what a failing store means: TransientError when it is out of reach or locked, else DiptychError."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as err:
        text, uri = without_password(str(err)), without_password(uri)
        if "failed with error code 401" in text or "failed with error code 403" in text:
            raise ConfigError(
                f"the MLflow server {uri} does not let us in, or not do that. Say who you are in MLFLOW_TRACKING_USERNAME and "
                'MLFLOW_TRACKING_PASSWORD; for the servers of diptych up: eval "$(diptych env)"'
            ) from err
        if "database is locked" in text or "API request to" in text or err.error_code == "TEMPORARILY_UNAVAILABLE":
            raise TransientError(f"the MLflow store {uri} does not answer: {text.splitlines()[0]}") from err
        asked_wrongly = err.error_code in (
            "RESOURCE_DOES_NOT_EXIST",
            "INVALID_PARAMETER_VALUE",
        )  # it is as it should be
        mend = "" if asked_wrongly else " Everything in it can be made again from runs/: move it away and run again."
        raise DiptychError(f"the MLflow store {uri} refused: {text.splitlines()[0]}{mend}") from err


def fingerprint(root: Path) -> str | None:
    """Return what changes when somebody writes to the store, without opening it; None for a server: ask it."""
    uri = store_uri(root)
    if not uri.startswith("sqlite:///"):
        return None
    path = Path(uri.removeprefix("sqlite:///"))
    parts = [path, path.with_name(path.name + "-wal")]
    stats = [part.stat() for part in parts if part.exists()]
    return f"{uri} " + " ".join(f"{stat.st_mtime_ns}:{stat.st_size}" for stat in stats)
