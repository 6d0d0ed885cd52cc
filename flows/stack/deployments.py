"""What a Prefect server is to know of a workspace's flows: what prefect.yaml says, and a nightly pipeline for each other recipe of params.yaml.

    python -m flows.stack.deployments [--without deploy/manual ...]   # have the server that the environment names know them, and forget those that are no more

`dvc repro` brings all recipes of params.yaml up to date, and so do these, an hour apart: a workspace has one writer. Only what has changed is deployed: to
deploy takes seconds. What the server knows it has in the deployments' versions, which are digests of what was said of each.
"""

import argparse
import hashlib
import itertools
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from components.contracts.address import without_password
from components.contracts.errors import ConfigError, DiptychError
from components.contracts.plain_yaml import load_yaml
from components.recipes.params import load_params

NIGHTLY = "nightly"
MADE = re.compile(r"(?:^|\+)diptych\.[0-9a-f]{16}\.([0-9a-f]{8})$")
"""The version of a deployment that was made here, behind the one that prefect.yaml may say."""
PAGE = 200  # deployments that Prefect's server gives at once
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


def versions(said: Mapping[str, Any], root: Path) -> dict[str, str]:
    """Return of each deployment, by entrypoint/name, its version, which says two things.

    A digest of all that its deployment depends on: what is said of it, by those of one name and for all of them, where it works, and the file of its flow,
    whose parameters are the form that people see. And one of whether its schedules are said to be on.
    """
    for_all = [str(root), version("diptych"), {name: its for name, its in said.items() if name != "deployments"}]
    of = dict[str, list[Mapping[str, Any]]]()
    for one in said["deployments"]:
        of.setdefault(_key(one), []).append(one)

    def version_of(its: Sequence[Mapping[str, Any]]) -> str:
        whole = _digest([*for_all, _flow_file(root, str(its[-1]["entrypoint"])), *its])[:16]
        are_on = _digest([[schedule.get("active") for schedule in one.get("schedules") or ()] for one in its])[:8]
        return "+".join([*filter(None, [str(its[-1].get("version") or "")]), f"diptych.{whole}.{are_on}"])

    return {name: version_of(its) for name, its in of.items()}


def _digest(its: object) -> str:
    return hashlib.sha256(json.dumps(its, default=str).encode()).hexdigest()


def _flow_file(root: Path, entrypoint: str) -> str:
    try:
        return hashlib.sha256((root / entrypoint.partition(":")[0]).read_bytes()).hexdigest()
    except OSError:  # of a module, which has no file here
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A deployment that a server has.

    Args:
        id: of it.
        version: as `versions` gives it, or as somebody else does.
        here: whether it works in the workspace, by the folder that its steps name.
        are_on: of each of its schedules, whether it is on.
    """

    id: str
    version: str | None
    here: bool
    are_on: tuple[bool, ...] = ()

    def is_gone(self, name: str, now: Collection[str]) -> bool:
        """Return whether it was made here, of this workspace, and is none of those of now."""
        return self.here and name not in now and MADE.search(self.version or "") is not None


def known_as(root: Path, listed: Iterable[Mapping[str, Any]]) -> dict[str, Known]:
    """Return of each deployment of a server, as its API has them, by entrypoint/name, what is known of it."""
    return {
        f"{one['entrypoint']}/{one['name']}": Known(
            id=str(one["id"]),
            version=one["version"],
            here=str(root) in _folders(one["pull_steps"]),
            are_on=tuple(schedule["active"] for schedule in one["schedules"]),
        )
        for one in listed
    }


def untold(root: Path, known: Mapping[str, Known]) -> dict[str, Any] | None:
    """Return `deployments` of a workspace, where the server lacks one, has one otherwise, or has one that was made here and is no more; None where it knows them.

    Files that cannot be read change nothing that it knows: runs say what is wrong with params.yaml, and the server shall be there.

    Args:
        root: of the workspace.
        known: of the server, as of `known_as`.

    Raises ConfigError where prefect.yaml cannot be read, of a server that knows none yet.
    """
    try:
        said = deployments(root)
    except ConfigError:
        if any(one.here and MADE.search(one.version or "") for one in known.values()):
            return None
        said, _ = listed_in(root)
    now = versions(said, root)
    lacks = any(name not in known or known[name].version != version for name, version in now.items())
    return said if lacks or any(one.is_gone(name, now) for name, one in known.items()) else None


def deploy_all(said: Mapping[str, Any], root: Path) -> None:
    """Have the server that the environment names know these deployments, whose runs work in `root`, deploying those that it does not know as they are, and forget others that were made here.

    Args:
        said: what prefect.yaml says, or `deployments`.
        root: of the workspace.

    Raises DiptychError where it refuses them.
    """
    from prefect.client.orchestration import get_client

    now = versions(said, root)
    with get_client(sync_client=True) as client:
        known = known_as(root, _all(client))
        anew = [
            as_switched({**one, "version": now[_key(one)]}, known.get(_key(one))) for one in said["deployments"]
            if _key(one) not in known or known[_key(one)].version != now[_key(one)]
        ]  # fmt: skip
        if anew:
            _deploy({**said, "deployments": anew}, root)
            known = known_as(root, _all(client))  # one that has another entrypoint now is the same to the server
        for name, one in known.items():
            if one.is_gone(name, now):
                client.delete_deployment(UUID(one.id))


def as_switched(deployment: dict[str, Any], before: Known | None) -> dict[str, Any]:
    """Return a deployment whose schedule is on or off as somebody switched it on the server, unless the file says otherwise of it than it did before.

    One that somebody deleted there is off.
    """
    schedules: Sequence[Any] = deployment.get("schedules") or ()
    if before is None or len(schedules) != 1:
        return deployment
    if _said_on(before.version) is None or _said_on(before.version) != _said_on(deployment["version"]):
        return deployment
    return {**deployment, "schedules": [{**schedules[0], "active": any(before.are_on)}]}


def _said_on(version: str | None) -> str | None:
    made = MADE.search(version or "")
    return made and made[1]


def _folders(pull_steps: Sequence[Mapping[str, Any]] | None) -> list[str | None]:
    return [its.get("directory") for steps in pull_steps or () for its in steps.values() if isinstance(its, Mapping)]


def _all(client: Any) -> Iterator[dict[str, Any]]:
    """Yield every deployment of a server."""
    for offset in itertools.count(step=PAGE):
        found = client.read_deployments(limit=PAGE, offset=offset)
        yield from (
            one.model_dump(include={"id", "name", "entrypoint", "version", "pull_steps", "schedules"}) for one in found
        )
        if len(found) < PAGE:
            return


def _key(deployment: Mapping[str, Any]) -> str:
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
        raise DiptychError(
            f"prefect deploy --all failed: {without_password((ran.stderr or ran.stdout).strip()[-600:])}"
        )


def _of(nightly: Mapping[str, Any], recipe: str, later: int) -> dict[str, Any]:
    """Return the nightly deployment of another recipe, so many hours later."""
    return {
        **nightly, "name": f"{NIGHTLY}-{recipe}", "parameters": {**(nightly.get("parameters") or {}), "recipe": recipe},
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


def main() -> None:
    """Have the server that the environment names know those of the workspace that we stand in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--without", nargs="*", default=[], metavar="FLOW/NAME", help="deployments that it shall not have"
    )
    left_out, root = parser.parse_args().without, Path.cwd()
    said = deployments(root)
    by_name = {_key(one).rpartition(":")[2]: one for one in said["deployments"]}
    for unknown in sorted({*left_out} - {*by_name}):
        print(f"prefect.yaml has no {unknown} that could be left out, only {', '.join(by_name)}.", file=sys.stderr)
    listed = [one for one in said["deployments"] if _key(one).rpartition(":")[2] not in left_out]
    deploy_all({**said, "deployments": listed}, root)


if __name__ == "__main__":
    try:
        main()
    except DiptychError as err:
        sys.exit(str(err))
