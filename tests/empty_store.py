"""A registry's tables, which MLflow makes one by one, in seconds and with many waits for the disk: made once a process, and copied."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from mlflow import MlflowClient

NAME = "mlflow.db"


def lay_empty_store(root: Path) -> Path:
    """Put the tables into a workspace; the experiment is not among them, since it names its place. Return the file."""
    return shutil.copy(_made(), root / NAME)


@functools.cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="empty-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    MlflowClient(f"sqlite:///{folder / NAME}").search_experiments()
    return folder / NAME
