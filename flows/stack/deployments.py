"""What a Prefect server is to know of a workspace's flows: what prefect.yaml says, and a nightly pipeline for each other recipe of params.yaml.

    python -m flows.stack.deployments   # have the server that the environment names know them, and forget nights of recipes that are no more

`dvc repro` brings all recipes of params.yaml up to date, and so do these, an hour apart: a workspace has one writer.
"""

import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from components.contracts.errors import ConfigError, DiptychError
from components.contracts.plain_yaml import load_yaml
from components.recipes.params import load_params

NIGHTLY = "nightly"
OURS = "by-recipe"  # the tag of those that params.yaml is the reason for
DEPLOY_WITHIN_S = 300.0


def deployments(root: Path) -> dict[str, Any]:
    """Return prefect.yaml with a deployment `nightly-RECIPE` of each recipe that none of its nightly ones is of; without `nightly` none are added.

    Raises ConfigError for a params.yaml that cannot be read.
    """
    said: dict[str, Any] = load_yaml((root / "prefect.yaml").read_text(encoding="utf-8"))
    listed = said["deployments"]
    nightly = next((one for one in listed if one["name"] == NIGHTLY), None)
    if nightly is not None and (root / "params.yaml").exists():
        of = {one.get("parameters", {}).get("recipe") for one in listed if NIGHTLY in one.get("tags", ())}
        others = [recipe for recipe in load_params(root).recipes if recipe not in of]
        said["deployments"] = [*listed, *(_of(nightly, recipe, later) for later, recipe in enumerate(others, 1))]
    return said


def deploy_all(said: Mapping[str, Any], root: Path) -> None:
    """Have the server that the environment names know these deployments, whose runs work in `root`; DiptychError where it refuses them."""
    from prefect.client.orchestration import get_client

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prefect.yaml"
        file.write_text(yaml.safe_dump(dict(said), sort_keys=False, allow_unicode=True), encoding="utf-8")
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        ran = subprocess.run(
            command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DEPLOY_WITHIN_S, check=False
        )  # fmt: skip
    if ran.returncode:
        raise DiptychError(f"prefect deploy --all failed: {(ran.stderr or ran.stdout).strip()[-600:]}")
    with get_client(sync_client=True) as client:
        for gone in _gone(client, {one["name"] for one in said["deployments"]}):
            client.delete_deployment(gone)


def _of(nightly: Mapping[str, Any], recipe: str, later: int) -> dict[str, Any]:
    """Return the nightly deployment of another recipe, so many hours later."""
    return {
        **nightly, "name": f"{NIGHTLY}-{recipe}", "parameters": {**nightly.get("parameters", {}), "recipe": recipe},
        "tags": [*nightly["tags"], OURS],
        "schedules": [_later(schedule, later) for schedule in nightly.get("schedules", ())],
    }  # fmt: skip


def _later(schedule: Mapping[str, Any], hours: int) -> dict[str, Any]:
    """Return a schedule so many hours later, where it is of one hour of the day."""
    minute, hour, *rest = str(schedule.get("cron", "")).split() or ("", "")
    if not hour.isdigit():
        return dict(schedule)
    return {**schedule, "cron": " ".join([minute, str((int(hour) + hours) % 24), *rest])}


def _gone(client: Any, names: Collection[str]) -> Iterator[Any]:
    """Yield the ids of deployments that were there for a recipe which is no more in params.yaml."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[NIGHTLY, OURS]))
    for one in client.read_deployments(deployment_filter=ours):
        if one.name not in names:
            yield one.id


if __name__ == "__main__":
    try:
        deploy_all(deployments(Path.cwd()), Path.cwd())
    except (ConfigError, DiptychError) as err:
        sys.exit(str(err))
