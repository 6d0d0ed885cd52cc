"""What a Prefect server is to know of a workspace's flows: what prefect.yaml says, and a nightly pipeline for each other recipe of params.yaml.

    python -m flows.stack.deployments   # have the server that the environment names know them, and forget nights of recipes that are no more

`dvc repro` brings all recipes of params.yaml up to date, and so do these, an hour apart: a workspace has one writer. Only what has changed is deployed: to
deploy is to have a schedule as the file says it, whoever has switched it on or off since.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from components.contracts.errors import ConfigError, DiptychError
from components.contracts.plain_yaml import load_yaml
from components.recipes.params import load_params

NIGHTLY = "nightly"
OURS = "by-recipe"  # the tag of those that params.yaml is the reason for
CRON = 5  # fields: minute, hour, day, month, day of the week
DEPLOY_WITHIN_S = 300.0


def deployments(root: Path) -> dict[str, Any]:
    """Return prefect.yaml with a deployment `nightly-RECIPE` of each recipe that none of its nightly ones is of; without `nightly` none are added.

    Raises ConfigError for a file that cannot be read.
    """
    said, listed = listed_in(root)
    nightly = next((one for one in listed if one["name"] == NIGHTLY), None)
    if nightly is not None and (root / "params.yaml").exists():
        of = {(one.get("parameters") or {}).get("recipe") for one in listed if NIGHTLY in (one.get("tags") or ())}
        others = [recipe for recipe in load_params(root).recipes if recipe not in of]
        said["deployments"] = [*listed, *(_of(nightly, recipe, later) for later, recipe in enumerate(others, 1))]
    return said


def listed_in(root: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what prefect.yaml says, and the deployments in it; ConfigError where it cannot be read."""
    try:
        said = load_yaml((root / "prefect.yaml").read_text(encoding="utf-8"))
        listed = said["deployments"]
        if all(isinstance(one["name"], str) and isinstance(one["entrypoint"], str) for one in listed):
            return said, listed
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as err:
        raise ConfigError(f"prefect.yaml cannot be read: {err}. See: prefect deploy --all") from err
    raise ConfigError("prefect.yaml has deployments without name or entrypoint. See: prefect deploy --all")


def digests(said: Mapping[str, Any]) -> dict[str, str]:
    """Return of each deployment, by its flow and name, a digest of all that is said of it, by those of one name and for all of them."""
    for_all = {name: its for name, its in said.items() if name != "deployments"}
    of = dict[str, list[Any]]()
    for one in said["deployments"]:
        of.setdefault(_known_as(one), [for_all]).append(one)
    return {name: hashlib.sha256(json.dumps(its, default=str).encode()).hexdigest() for name, its in of.items()}


def deploy_all(said: Mapping[str, Any], root: Path, known: Mapping[str, str] = MappingProxyType({})) -> None:
    """Have the server that the environment names know these deployments, whose runs work in `root`, but for those that it knows already.

    Args:
        said: what prefect.yaml says, or `deployments`.
        root: of the workspace.
        known: of deployments that it has, as `digests` gives them.

    Raises DiptychError where it refuses them.
    """
    from prefect.client.orchestration import get_client

    now = digests(said)
    anew = [one for one in said["deployments"] if known.get(_known_as(one)) != now[_known_as(one)]]
    if anew:
        _deploy({**said, "deployments": anew}, root)
    with suppress(ConfigError), get_client(sync_client=True) as client:  # which recipes are no more, nobody knows then
        for gone in _gone(client, root, {one["name"] for one in deployments(root)["deployments"]}):
            client.delete_deployment(gone)


def _known_as(deployment: Mapping[str, Any]) -> str:
    return f"{deployment['entrypoint']}/{deployment['name']}"


def _deploy(said: Mapping[str, Any], root: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prefect.yaml"
        file.write_text(yaml.safe_dump(dict(said), sort_keys=False, allow_unicode=True), encoding="utf-8")
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        ran = subprocess.run(
            command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DEPLOY_WITHIN_S, check=False
        )  # fmt: skip
    if ran.returncode:
        raise DiptychError(f"prefect deploy --all failed: {(ran.stderr or ran.stdout).strip()[-600:]}")


def _of(nightly: Mapping[str, Any], recipe: str, later: int) -> dict[str, Any]:
    """Return the nightly deployment of another recipe, so many hours later."""
    return {
        **nightly, "name": f"{NIGHTLY}-{recipe}", "parameters": {**(nightly.get("parameters") or {}), "recipe": recipe},
        "tags": [*(nightly.get("tags") or ()), OURS],
        "schedules": [_later(schedule, later) for schedule in nightly.get("schedules") or ()],
    }  # fmt: skip


def _later(schedule: Mapping[str, Any], hours: int) -> dict[str, Any]:
    """Return a schedule so many hours later, where it is of one hour of the day; as it is where that would be another day of those that are named."""
    fields = str(schedule.get("cron", "")).split()
    if len(fields) != CRON or not fields[1].isdigit():
        return dict(schedule)
    minute, hour, *days = fields
    days_on, then = divmod(int(hour) + hours, 24)
    return (
        dict(schedule) if days_on and {*days} != {"*"} else {**schedule, "cron": " ".join([minute, str(then), *days])}
    )


def _gone(client: Any, root: Path, names: Collection[str]) -> Iterator[Any]:
    """Yield the ids of deployments of this workspace that were there for a recipe which is no more in params.yaml."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[NIGHTLY, OURS]))
    for one in client.read_deployments(deployment_filter=ours):
        works_in = [step.get("directory") for steps in one.pull_steps or () for step in steps.values()]
        if one.name not in names and str(root) in works_in:
            yield one.id


if __name__ == "__main__":
    try:
        deploy_all(deployments(Path.cwd()), Path.cwd())
    except DiptychError as err:
        sys.exit(str(err))
