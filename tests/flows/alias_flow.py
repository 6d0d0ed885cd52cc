"""A deployment `deploy/manual` for tests: its flow writes down which version the alias names when it runs, and deploys nothing."""

import os
import sys
from pathlib import Path

from mlflow import MlflowClient
from prefect import flow


@flow(name="deploy")
def deploy(model: str = "clip") -> None:
    """Add a line such as `clip@3`."""
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    version = client.get_registered_model(model).aliases["champion"]
    with Path(os.environ["DEPLOYED"]).open("a") as file:
        file.write(f"{model}@{version}\n")


if __name__ == "__main__":
    deploy.serve(name="manual", limit=1)
    sys.exit(0)
